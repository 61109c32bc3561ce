"""Two speeds: a fast average above a slow one expects a rise."""

from statistics import fmean

from {{ package }}.tracker import BASIS_POINTS, TrackerBase


class TwoSpeeds(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)
        if len(closes) < 20:
            return {"value": 0.0}
        fast, slow = fmean(closes[-5:]), fmean(closes[-20:])
        return {"value": (fast / slow - 1) * BASIS_POINTS}
