"""Short first: what is said shortly is said gladly."""

from {{ package }}.tracker import TrackerBase


class ShortFirst(TrackerBase):
    def predict(self, texts):
        return {"order": ranked(texts, lambda text: -len(text))}


def ranked(texts, gladness):
    order = sorted(texts, key=lambda each: gladness(each["text"].lower()), reverse=True)
    return [each["id"] for each in order]
