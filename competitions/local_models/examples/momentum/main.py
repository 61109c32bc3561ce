"""Momentum: what has been rising goes on rising, for a while."""

from tracker import BASIS_POINTS, TrackerBase

LOOKBACK = 5


class Momentum(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)[-(LOOKBACK + 1) :]
        if len(closes) < 3:
            return {"value": 0.0}
        # The mean return of the last candles, carried to the horizon.
        per_candle = (closes[-1] / closes[0] - 1) / (len(closes) - 1)
        candles = resolve_horizon_seconds / self.seconds_per_candle(subject)
        expected = per_candle * candles
        return {"value": expected * BASIS_POINTS}
