"""The base class of a participant's model. Subclass it in your `main.py`."""

from itertools import pairwise
from typing import Any

# In the examples, the signal 1.0 is an expected return of one basis point (0.01 %).
BASIS_POINTS = 10_000


class TrackerBase:
    """Keep the newest data of each subject; you write `predict`.

    One object lives as long as its process, so what you keep on `self` stays between
    calls. A process can be restarted at any time; then you are shown recent data again.
    """

    def __init__(self) -> None:
        self._newest: dict[str, Any] = {}

    def feed_update(self, data: dict[str, Any]) -> None:
        """Receive new market data; called before each question.

        `data` is {"symbol", "asof_ts", "candles_1m": [{"ts", "open", "high", "low",
        "close", "volume"}, ...]}: the newest closed candles, oldest first. The key is
        `candles_1m` whatever their length; see `seconds_per_candle`. Of a feed of
        ticks it is {"symbol", "asof_ts", "ticks": [{"ts", "price"}, ...]}.
        """
        self._keep(data)
        self.tick(data)

    def tick(self, data: dict[str, Any]) -> None:
        """Receive new market data too: the older name of `feed_update`."""
        self._keep(data)

    def _keep(self, data: dict[str, Any]) -> None:
        symbol = data.get("symbol") if isinstance(data, dict) else None
        self._newest["_default" if symbol is None else symbol] = data

    def predict(
        self, subject: str, resolve_horizon_seconds: int, step_seconds: int
    ) -> dict[str, Any]:
        """Answer for `subject`, `resolve_horizon_seconds` ahead, e.g. {"value": 0.1}.

        A positive value expects the price to rise. Where the competition says nothing
        else, its unit is a basis point of return over the horizon: 1.0 is 0.01 %, so
        multiply a fraction by `BASIS_POINTS`. Answer plain Python: float, int,
        str, dict or list; numpy's own numbers must be converted with `float(x)`.
        """
        raise NotImplementedError("write predict() in your subclass of TrackerBase")

    def newest(self, subject: str) -> dict[str, Any] | None:
        """Return the newest data of `subject`, else of the feed without a symbol."""
        return self._newest.get(subject, self._newest.get("_default"))

    def closes(self, subject: str) -> list[float]:
        """Return the closes (or ticks) of `subject`, oldest first; [] without data."""
        data = self.newest(subject) or {}
        candles = [float(candle["close"]) for candle in data.get("candles_1m", ())]
        return candles or [float(tick["price"]) for tick in data.get("ticks", ())]

    def seconds_per_candle(self, subject: str) -> float:
        """Return the length of a candle of `subject`; 60 while it is unknown."""
        data = self.newest(subject) or {}
        rows = data.get("candles_1m") or data.get("ticks") or ()
        starts = [row["ts"] for row in rows]
        # Candles may be missing in between, so the smallest distance is their length.
        gaps = [b - a for a, b in pairwise(starts) if b > a]
        return float(min(gaps, default=60))
