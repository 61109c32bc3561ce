"""Last move: the newest seconds go on for a while."""

from {{ package }}.tracker import BASIS_POINTS, TrackerBase


class LastMove(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)[-10:]
        if len(closes) < 3:
            return {"value": 0.0}
        return {"value": 0.3 * (closes[-1] / closes[0] - 1) * BASIS_POINTS}
