"""Trend following: what has been rising goes on rising."""

from {{ package }}.tracker import TrackerBase


class TrendFollowing(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)[-8:]
        if len(closes) < 3:
            return {"value": 0.0}
        return {"value": 0.6 * (closes[-1] / closes[0] - 1) * 10_000}
