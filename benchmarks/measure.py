"""Timing ours and the limit in turn, in one run, so that their ratio holds."""

import resource
import statistics
import time
from collections.abc import Callable
from typing import Any


def peak_mb() -> int:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def summary(seconds: list[float]) -> dict[str, float]:
    return {
        "median_s": statistics.median(seconds),
        "min_s": min(seconds),
        "max_s": max(seconds),
    }


def compare(
    name: str,
    *,
    ours: Callable[[], Any],
    limit: Callable[[], Any],
    reset: Callable[[], Any],
    repeats: int,
    **facts: Any,
) -> dict[str, Any]:
    """Time `ours` and `limit` alternately, each after an untimed `reset`.

    The ratio is the limit's median time divided by ours: 1.0 is the limit itself.
    """
    times: dict[str, list[float]] = {"ours": [], "limit": []}
    for _ in range(repeats):
        for side, work in (("ours", ours), ("limit", limit)):
            reset()
            start = time.perf_counter()
            work()
            times[side].append(time.perf_counter() - start)
    ours_s, limit_s = summary(times["ours"]), summary(times["limit"])
    return {
        "name": name,
        "ratio": round(limit_s["median_s"] / ours_s["median_s"], 3),
        "ours": ours_s,
        "limit": limit_s,
        "repeats": repeats,
        "peak_mb": peak_mb(),
        **facts,
    }
