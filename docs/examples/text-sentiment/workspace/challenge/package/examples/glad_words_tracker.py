"""Glad words: the more of them, the gladder the text."""

from {{ package }}.tracker import TrackerBase


class GladWords(TrackerBase):
    def predict(self, texts):
        glad = ("splendid", "won", "sang", "kind", "good", "warm", "fresh", "friends")
        return {"order": ranked(texts, lambda text: count(text, glad))}


def ranked(texts, gladness):
    order = sorted(texts, key=lambda each: gladness(each["text"].lower()), reverse=True)
    return [each["id"] for each in order]


def count(text, words):
    return sum(word in text for word in words)
