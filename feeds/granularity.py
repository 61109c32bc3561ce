"""Read candle lengths: `1s`, `15s`, `1m`, `5m`, `1h`, `1d`."""

import re

from feeds.errors import UnknownGranularityError

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PATTERN = re.compile(r"([1-9]\d*)([smhd])")


def seconds(granularity: str) -> int:
    """Return the length in seconds; raises UnknownGranularityError."""
    match = _PATTERN.fullmatch(granularity)
    if match is None:
        raise UnknownGranularityError(
            f"granularity was {granularity!r}; give a number and s, m, h or d, like 1m"
        )
    return int(match[1]) * _UNIT_S[match[2]]
