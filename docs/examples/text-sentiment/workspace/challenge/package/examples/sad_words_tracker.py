"""Sad words: the fewer of them, the gladder the text."""

from {{ package }}.tracker import TrackerBase


class SadWords(TrackerBase):
    def predict(self, texts):
        sad = ("closed", "awful", "cold", "rude", "delays", "lost", "flood", "terrible")
        return {"order": ranked(texts, lambda text: -count(text, sad))}


def ranked(texts, gladness):
    order = sorted(texts, key=lambda each: gladness(each["text"].lower()), reverse=True)
    return [each["id"] for each in order]


def count(text, words):
    return sum(word in text for word in words)
