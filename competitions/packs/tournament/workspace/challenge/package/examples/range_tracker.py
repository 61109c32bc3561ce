"""Range: in the upper part of the last range it expects a fall, in the lower a rise."""

from {{ package }}.tracker import BASIS_POINTS, TrackerBase


class Range(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)[-30:]
        if len(closes) < 10:
            return {"value": 0.0}
        low, high = min(closes), max(closes)
        if low == high:
            return {"value": 0.0}
        place = (closes[-1] - low) / (high - low)
        return {"value": (0.5 - place) * (high / low - 1) * BASIS_POINTS}
