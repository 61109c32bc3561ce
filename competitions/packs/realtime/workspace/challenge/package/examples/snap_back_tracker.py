"""Snap back: a price far from its last minute's mean returns to it."""

from statistics import fmean

from {{ package }}.tracker import BASIS_POINTS, TrackerBase


class SnapBack(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)[-60:]
        if len(closes) < 10:
            return {"value": 0.0}
        return {"value": -0.5 * (closes[-1] / fmean(closes) - 1) * BASIS_POINTS}
