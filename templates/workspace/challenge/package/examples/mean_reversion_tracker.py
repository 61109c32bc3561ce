"""Mean reversion: what has moved away from its mean returns to it."""

from {{ package }}.tracker import TrackerBase


class MeanReversion(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)[-5:]
        if len(closes) < 3:
            return {"value": 0.0}
        mean = sum(closes) / len(closes)
        return {"value": -0.7 * (closes[-1] / mean - 1) * 10_000}
