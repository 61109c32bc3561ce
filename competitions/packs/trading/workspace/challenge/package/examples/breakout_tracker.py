"""Breakout: follow a price that leaves the range that it was in."""

from {{ package }}.tracker import TrackerBase

SIZE = 1000.0


class Breakout(TrackerBase):
    def __init__(self):
        super().__init__()
        self.held = 0.0

    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)
        if len(closes) < 30:
            return {"action": "buy", "amount": 0.0}
        before = closes[:-1]
        wanted = self.held
        if closes[-1] > max(before) * 1.001:
            wanted = SIZE
        elif closes[-1] < min(before) * 0.999:
            wanted = -SIZE
        change, self.held = wanted - self.held, wanted
        return {"action": "buy" if change >= 0 else "sell", "amount": abs(change)}
