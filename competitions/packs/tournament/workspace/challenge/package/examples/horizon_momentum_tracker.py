"""Horizon momentum: looks as far back as it is asked ahead."""

from {{ package }}.tracker import BASIS_POINTS, TrackerBase


class HorizonMomentum(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        length_s = self.seconds_per_candle(subject)
        count = 1 + max(2, round(resolve_horizon_seconds / length_s))
        closes = self.closes(subject)[-count:]
        if len(closes) < 3:
            return {"value": 0.0}
        return {"value": 0.4 * (closes[-1] / closes[0] - 1) * BASIS_POINTS}
