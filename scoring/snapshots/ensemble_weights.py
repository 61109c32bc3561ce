"""Choose and weigh the members of ensembles; pure functions."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from core.rounding import is_figure
from scoring.metrics.ranks import Floats, without_noise

# Less spread than this is none: the model's raw weight is 1.
_NO_VARIANCE = 1e-12

MetricsByModel = Mapping[str, Mapping[str, float | None]]
SignalsByModel = Mapping[str, Floats]


def inverse_variance(
    model_metrics: MetricsByModel, signals: SignalsByModel
) -> dict[str, float]:
    """Weigh each model by 1 / population variance of its signals.

    A model with fewer than two signals or without variance has the raw weight 1.
    """
    raw = {}
    for model_id in model_metrics:
        known = signals[model_id][~np.isnan(signals[model_id])]
        variance = float(known.var()) if len(known) >= 2 else 0.0
        raw[model_id] = 1.0 if variance < _NO_VARIANCE else 1 / variance
    return normalised(raw)


def equal_weight(
    model_metrics: MetricsByModel,
    signals: SignalsByModel,  # noqa: ARG001  a strategy
) -> dict[str, float]:
    """Give every model the same weight."""
    return normalised(dict.fromkeys(model_metrics, 1.0))


STRATEGIES: dict[str, Callable[[MetricsByModel, SignalsByModel], dict[str, float]]] = {
    "inverse_variance": inverse_variance,
    "equal_weight": equal_weight,
}


def normalised(raw: Mapping[str, float]) -> dict[str, float]:
    """Scale weights to the sum 1; equal ones if no raw one is usable."""
    usable = {k: w for k, w in raw.items() if np.isfinite(w) and w > 0}
    total = sum(usable.values())
    if total <= 0:
        return {k: 1 / len(raw) for k in raw}
    return {k: w / total for k, w in usable.items()}


def top_n(n: int) -> dict[str, Any]:
    """Return the filter of the n models with the highest mean score; unknown ones last.

    The highest, whatever the ranking's direction: if a lower score is better, use
    `min_metric` or a predicate.
    """
    return {"top_n": n}


def min_metric(name: str, threshold: float) -> dict[str, Any]:
    """Return the filter of models whose metric is known and at least the threshold."""
    return {"min_metric": {"name": name, "threshold": threshold}}


def _best(n: int, model_metrics: MetricsByModel) -> MetricsByModel:
    def place(model_id: str) -> tuple[bool, float, str]:
        value = model_metrics[model_id].get("value")
        return value is None, -(value or 0.0), model_id

    return {m: model_metrics[m] for m in sorted(model_metrics, key=place)[:n]}


def _at_least(
    name: str, threshold: float, model_metrics: MetricsByModel
) -> MetricsByModel:
    return {
        model_id: metrics
        for model_id, metrics in model_metrics.items()
        # An operator's `aggregate_snapshot` may have put a text under the name.
        if is_figure(value := metrics.get(name)) and value >= threshold
    }


def members_of(model_filter: Any, model_metrics: MetricsByModel) -> list[str]:
    """Return the model ids that a filter accepts, the minimum applied first."""
    match model_filter:
        case None:
            return list(model_metrics)
        case dict():
            chosen = model_metrics
            if "min_metric" in model_filter:
                least = model_filter["min_metric"]
                chosen = _at_least(least["name"], least["threshold"], chosen)
            if "top_n" in model_filter:
                chosen = _best(model_filter["top_n"], chosen)
            return list(chosen)
    return [m for m, metrics in model_metrics.items() if model_filter(m, metrics)]


def blended(weights: Floats, signals: Floats) -> Floats:
    """Return the weighted mean of each round's answers; NaN where no member answered.

    Means that differ only by the order of their sums are made equal, so that a blend
    with the same signal in each round counts as constant.
    """
    present = ~np.isnan(signals) & (weights > 0)
    total = np.where(present, weights, 0.0).sum(axis=1)
    parts = np.where(present, signals * weights, 0.0)
    mean, size = np.full((2, len(signals)), np.nan)
    some = total > _NO_VARIANCE
    np.divide(parts.sum(axis=1), total, out=mean, where=some)
    np.divide(np.abs(parts).sum(axis=1), total, out=size, where=some)
    return without_noise(mean, size) if some.any() else mean
