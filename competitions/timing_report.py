"""Summarises where the time of rounds went, from what each has stored."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

Timing = Mapping[str, float]


def _between(timing: Timing, start: str, end: str) -> float | None:
    if start in timing and end in timing:
        return timing[end] - timing[start]
    return None


def _total(timing: Timing) -> float | None:
    parts = ("built_us", "asked_us", "checked_us")
    if all(name in timing for name in parts):
        return sum(timing[name] for name in parts)
    return None


def _unknown(_: Timing) -> None:
    return None


# Stages as other programs know them. Feeds come in apart from rounds, and what is
# stored cannot hold how long the storing took: these stages have no figures.
STAGES: dict[str, Callable[[Timing], float | None]] = {
    "feed_ingestion": _unknown,
    "feed_persistence": _unknown,
    "notify_latency": _unknown,
    "data_loading": lambda timing: timing.get("built_us"),
    "pre_model": lambda timing: timing.get("dispatched_us"),
    "model_execution": lambda t: _between(t, "dispatched_us", "completed_us"),
    "post_model": lambda timing: _between(timing, "completed_us", "asked_us"),
    "callback_execution": lambda timing: timing.get("checked_us"),
    "prediction_persistence": _unknown,
    "end_to_end": _total,
}


def stage_latencies(timings: Iterable[Timing]) -> list[dict[str, Any]]:
    """Return the figures of each stage in microseconds; null where none is known.

    Percentiles lie between measured values, never beyond them; negative durations are
    left out. `pct_of_total` is the share of the mean end to end.
    """
    known = list(timings)
    durations = {
        name: [us for timing in known if (us := stage(timing)) is not None and us >= 0]
        for name, stage in STAGES.items()
    }
    whole = float(np.mean(durations["end_to_end"])) if durations["end_to_end"] else 0.0
    return [
        {
            "name": name,
            "step": "total" if name == "end_to_end" else step,
            **_figures(durations[name], whole),
        }
        for step, name in enumerate(STAGES, start=1)
    ]


def _figures(durations: list[float], whole: float) -> dict[str, Any]:
    names = ("mean_us", "median_us", "min_us", "max_us", "p95_us", "p99_us")
    if not durations:
        return {"pct_of_total": None, "count": 0, **dict.fromkeys(names)}
    median, p95, p99 = np.percentile(durations, [50, 95, 99])
    mean = float(np.mean(durations))
    figures = (mean, median, min(durations), max(durations), p95, p99)
    return {
        "pct_of_total": round(100 * mean / whole, 1) if whole else None,
        "count": len(durations),
        **{name: float(us) for name, us in zip(names, figures, strict=True)},
    }
