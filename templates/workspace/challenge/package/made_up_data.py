"""Market data for checks: a made-up walk of prices, the same each time."""

import zlib
from datetime import datetime, timezone

import numpy as np

from . import config
from .day_files import Series, seconds_of
from .problems import NoData

BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAY_S = 86_400


class MadeUpData:
    """A walk of each day that begins and ends at the same price; in any pieces."""

    def load(self, subject, since, until):
        """Return the records that open in `[since, until)`, as a Series."""
        _, kind, granularity = config.feed()
        step_s = seconds_of(kind, granularity) or 1
        first_s, last_s = since.timestamp(), until.timestamp()
        days = range(int(first_s // DAY_S), int(-(-last_s // DAY_S)))
        if not days:
            raise NoData("the range is empty.")
        walks = [self._walk(subject, day, step_s) for day in days]
        opened, before, close = (np.concatenate(each) for each in zip(*walks))
        inside = (opened >= first_s) & (opened < last_s)
        opened, before, close = opened[inside], before[inside], close[inside]
        if kind != "candle":
            return Series(opened, opened, {"price": close})
        columns = {
            "open": before,
            "high": np.maximum(before, close),
            "low": np.minimum(before, close),
            "close": close,
            "volume": np.full(len(opened), 1.0),
        }
        return Series(opened, opened + step_s, columns)

    def _walk(self, subject, day, step_s):
        opened = np.arange(day * DAY_S, (day + 1) * DAY_S, step_s, dtype=np.float64)
        random = np.random.default_rng([zlib.crc32(subject.encode()), day])
        walk = np.cumsum(random.normal(0, 1e-4, len(opened)))
        walk -= walk[-1] * np.arange(1, len(walk) + 1) / len(walk)
        close = 64_000 * np.exp(walk)
        return opened, np.concatenate([[64_000.0], close[:-1]]), close
