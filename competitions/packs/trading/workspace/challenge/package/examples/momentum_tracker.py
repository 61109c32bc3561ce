"""Momentum: hold what has been rising, and let it go when it falls."""

from {{ package }}.tracker import TrackerBase

SIZE = 1000.0


class Momentum(TrackerBase):
    def __init__(self):
        super().__init__()
        self.side = 0  # of the position that was ordered: 1 long, -1 short

    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)
        if len(closes) < 60:
            return {"action": "buy", "amount": 0.0}
        move = closes[-1] / closes[-60] - 1
        # Fees are paid for every fill, so only a large move changes the side once taken.
        least = 0.002 if self.side else 0.0
        wanted = 1 if move > least else -1 if move < -least else self.side
        change, self.side = wanted - self.side, wanted
        action = "buy" if change >= 0 else "sell"
        return {"action": action, "amount": SIZE * abs(change)}
