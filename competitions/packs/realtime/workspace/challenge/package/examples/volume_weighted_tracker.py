"""Volume weighted: moves count as much as was traded while they happened."""

from itertools import pairwise

from {{ package }}.tracker import BASIS_POINTS, TrackerBase


class VolumeWeighted(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        candles = (self.newest(subject) or {}).get("candles_1m", [])[-30:]
        volume = sum(candle["volume"] for candle in candles[1:])
        if len(candles) < 5 or not volume:
            return {"value": 0.0}
        moved = sum(
            (after["close"] / before["close"] - 1) * after["volume"]
            for before, after in pairwise(candles)
        )
        return {"value": moved / volume * BASIS_POINTS}
