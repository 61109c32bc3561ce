"""Compute metrics in pure numpy: aligned (rounds, models) matrices in, columns out."""

from scoring.metrics.context import Ensemble, MetricsContext
from scoring.metrics.registry import MetricsRegistry, default_registry

__all__ = ["Ensemble", "MetricsContext", "MetricsRegistry", "default_registry"]
