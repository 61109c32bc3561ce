from tracker import TrackerBase


class Follower(TrackerBase):
    def __init__(self):
        super().__init__()
        self.held = 0.0

    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)[-60:]
        if len(closes) < 60:
            return {"action": "buy", "amount": 0.0}
        wanted = 1000.0 if closes[-1] > closes[0] * 1.002 else 0.0
        change, self.held = wanted - self.held, wanted
        return {"action": "buy" if change >= 0 else "sell", "amount": abs(change)}
