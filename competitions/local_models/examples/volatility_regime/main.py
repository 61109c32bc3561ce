"""Volatility regime: follow the trend when it is calm, fade it when it is wild."""

from statistics import fmean, pstdev

from tracker import BASIS_POINTS, TrackerBase

SHORT, LONG = 10, 60


class VolatilityRegime(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)[-(LONG + 1) :]
        if len(closes) < 3:
            return {"value": 0.0}
        returns = [later / earlier - 1 for earlier, later in zip(closes, closes[1:])]
        recent = returns[-SHORT:]
        is_calm = pstdev(recent) <= pstdev(returns)
        candles = resolve_horizon_seconds / self.seconds_per_candle(subject)
        trend = fmean(recent) * candles
        expected = trend if is_calm else -trend
        return {"value": expected * BASIS_POINTS}
