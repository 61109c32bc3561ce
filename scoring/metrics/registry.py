"""Find metrics by name. A metric maps (predictions, scores, context) to a column."""

from collections.abc import Callable, Iterable

import numpy as np
import structlog

from competitions.errors import SlotError
from competitions.signatures import check_counts
from core.errors import OperatorError
from core.imports import NotImportable, import_target
from scoring.metrics.context import MetricsContext
from scoring.metrics.ranks import Floats

log = structlog.get_logger(__name__)

# predictions and scores are the context's (rounds, models) matrices; the answer has one
# number per model, NaN for unknown.
Metric = Callable[[Floats, Floats, MetricsContext], Floats]


class UnknownMetricError(OperatorError):
    """No metric has the name, or its path does not lead to a callable."""

    code = "unknown_metric"


class MetricsRegistry:
    """Metrics by name; a name `module:callable` is imported when it is first used."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def register(self, name: str, metric: Metric) -> None:
        """Add a metric, or replace the one of that name."""
        self._metrics[name] = metric

    def available(self) -> list[str]:
        return sorted(self._metrics)

    def get(self, name: str) -> Metric:
        """Return the metric of a name or path; raises UnknownMetricError."""
        if name in self._metrics:
            return self._metrics[name]
        if ":" not in name:
            raise UnknownMetricError(
                f"metric was {name!r}; give module:callable or one of "
                f"{', '.join(self.available())}."
            )
        try:
            metric: Metric = import_target(name)
        except NotImportable as error:
            raise UnknownMetricError(f"metric was {name!r}: {error}.") from error
        try:
            check_counts(metric, "metric", name, (3,))
        except SlotError as error:
            raise UnknownMetricError(str(error)) from None
        return metric

    def compute(
        self, names: Iterable[str], context: MetricsContext
    ) -> dict[str, Floats]:
        """Return each metric's column, (models,); NaN for unknown or not finite values.

        A metric that raises, or returns the wrong shape, is unknown for all models.
        """
        return {name: self._column(name, context) for name in names}

    def _column(self, name: str, context: MetricsContext) -> Floats:
        unknown = np.full(len(context.model_ids), np.nan)
        try:
            column = np.asarray(
                self.get(name)(context.signals, context.scores, context), dtype=float
            )
        except Exception as error:  # noqa: BLE001  a metric never stops the others
            log.warning("metric.failed", metric=name, error=str(error))
            return unknown
        if column.shape != unknown.shape:
            log.warning("metric.failed", metric=name, error=f"shape {column.shape}")
            return unknown
        return np.where(np.isfinite(column), column, np.nan)


def default_registry() -> MetricsRegistry:
    """Return a registry with the built-in metrics."""
    from scoring.metrics.builtins import BUILT_IN

    registry = MetricsRegistry()
    for name, metric in BUILT_IN.items():
        registry.register(name, metric)
    return registry
