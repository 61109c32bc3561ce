"""Dip: buy far below the mean, sell when the price is back."""

from {{ package }}.tracker import TrackerBase

SIZE = 1000.0


class Dip(TrackerBase):
    def __init__(self):
        super().__init__()
        self.is_in = False

    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)
        if len(closes) < 20:
            return {"action": "buy", "amount": 0.0}
        gap = closes[-1] / (sum(closes) / len(closes)) - 1
        if not self.is_in and gap < -0.003:
            self.is_in = True
            return {"action": "buy", "amount": SIZE}
        if self.is_in and gap >= 0:
            self.is_in = False
            return {"action": "sell", "amount": SIZE}
        return {"action": "buy", "amount": 0.0}
