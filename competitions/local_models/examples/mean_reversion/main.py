"""Mean reversion: a price far from its average comes back to it."""

from statistics import fmean

from tracker import BASIS_POINTS, TrackerBase

LOOKBACK = 20
# Which part of the gap is expected to close within the horizon.
PULL = 0.5


class MeanReversion(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)[-LOOKBACK:]
        if len(closes) < 3:
            return {"value": 0.0}
        gap = fmean(closes) / closes[-1] - 1
        return {"value": PULL * gap * BASIS_POINTS}
