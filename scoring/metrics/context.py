"""The data that all metrics of a cycle share."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np

from .ranks import Floats, pearson_last, rank_last, spearman_last


@dataclass(frozen=True)
class Ensemble:
    """An ensemble: its signal per round, NaN if none, and a weight per model."""

    name: str
    signals: Floats
    weights: Floats


@dataclass(frozen=True)
class MetricsContext:
    """The rounds of a period as matrices, oldest round first.

    `signals` and `scores` are (rounds, models), NaN where a model has none; `actuals`
    and `scopes` are (rounds,): the true return, NaN if unknown, and a code per scope.
    In a stack of periods of equal length (`is_stack`) each column is the one model of a
    period of its own, and `actuals` are (models, rounds).
    `parts` keeps what `scoring.metrics.parts` has computed of them.
    """

    model_ids: tuple[str, ...]
    signals: Floats
    scores: Floats
    actuals: Floats
    scopes: np.ndarray
    window_start: datetime
    window_end: datetime
    ensembles: tuple[Ensemble, ...] = field(default=())
    parts: dict[str, Floats] = field(default_factory=dict, repr=False)
    is_stack: bool = False

    @property
    def has_peers(self) -> bool:
        """Return whether models can be compared with each other."""
        return not self.is_stack and len(self.model_ids) > 1

    @cached_property
    def by_model(self) -> Floats:
        """Return signals as (models, rounds): contiguous per model, as ranks need."""
        return np.ascontiguousarray(self.signals.T)

    @cached_property
    def paired(self) -> Floats:
        """Signals as (models, rounds), NaN where the true return is unknown too."""
        if not np.isnan(self.actuals).any():
            return self.by_model
        return np.where(np.isnan(self.actuals), np.nan, self.by_model)

    @cached_property
    def ranks(self) -> Floats:
        """Ranks of each model's signals over its own rounds, (models, rounds)."""
        return rank_last(self.by_model)

    @cached_property
    def is_gapless(self) -> bool:
        """Return whether every model answered every round, and every truth is known."""
        return not np.isnan(self.paired).any()

    @cached_property
    def pair_counts(self) -> np.ndarray:
        """Return rounds per model that have both a signal and a true return."""
        counts: np.ndarray = (~np.isnan(self.paired)).sum(axis=1)
        return counts

    @cached_property
    def ic(self) -> Floats:
        """Return the information coefficient per model."""
        return self.spearman(self.actuals)

    def spearman(self, others: Floats) -> Floats:
        """Return Spearman's rho of each model's signals with a number per round."""
        if self.is_gapless and not np.isnan(others).any():
            return pearson_last(self.ranks, rank_last(others))
        return spearman_last(self.by_model, others)
