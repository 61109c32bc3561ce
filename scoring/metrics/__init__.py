"""Metrics of models as pure numpy: aligned (round x model) matrices in, columns out."""

from scoring.metrics.context import Ensemble, MetricsContext
from scoring.metrics.registry import MetricsRegistry, default_registry

__all__ = ["Ensemble", "MetricsContext", "MetricsRegistry", "default_registry"]
