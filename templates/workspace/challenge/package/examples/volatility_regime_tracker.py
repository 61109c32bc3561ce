"""Volatility regime: momentum, damped while prices move more than they used to."""

from itertools import pairwise
from statistics import pstdev

from {{ package }}.tracker import TrackerBase


class VolatilityRegime(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)[-40:]
        if len(closes) < 12:
            return {"value": 0.0}
        returns = [after / before - 1 for before, after in pairwise(closes)]
        recent, usual = pstdev(returns[-8:]), pstdev(returns)
        damping = min(1.0, usual / recent) if recent else 0.0
        return {"value": damping * sum(returns[-8:]) * 10_000}
