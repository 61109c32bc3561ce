"""Naive last value: the last return that was seen is the next one.

The baseline: a model that cannot beat this has learnt nothing.
"""

from tracker import BASIS_POINTS, TrackerBase


class NaiveLastValue(TrackerBase):
    def __init__(self):
        super().__init__()
        self.last_return = {}

    def feed_update(self, data):
        super().feed_update(data)
        closes = self.closes(data["symbol"])
        # Keep the value of the last candle in which the price moved at all.
        if len(closes) >= 3 and closes[-1] != closes[-2]:
            self.last_return[data["symbol"]] = closes[-1] / closes[-2] - 1

    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        return {"value": self.last_return.get(subject, 0.0) * BASIS_POINTS}
