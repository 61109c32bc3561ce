from tracker import TrackerBase


class Follower(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)[-30:]
        if len(closes) < 2:
            return {"value": 0.0}
        return {"value": 1.0 if closes[-1] >= closes[0] else -1.0}
