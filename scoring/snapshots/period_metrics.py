"""Compute the contract's metrics over a period's matrices."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from competitions.callables.guarded_calls import CallableError, GuardedCalls
from scoring.metrics import Ensemble, MetricsContext, default_registry
from scoring.metrics.parts import WIDTH, all_parts
from scoring.metrics.ranks import Floats
from scoring.snapshots.ensemble_weights import blended
from scoring.snapshots.ensembles import PeriodEnsembles

registry = default_registry()

# Metrics that compare a model with the others say nothing of an ensemble of them.
COMPARING = ("model_correlation", "fnc", "contribution", "ensemble_correlation")


def period_metrics(
    ensembles: PeriodEnsembles,
) -> tuple[dict[str, Floats], Floats]:
    """Compute the contract's metrics, a column each, and the parts of some of them.

    The parts are (models, WIDTH). Real models are compared with each other and with the
    ensembles; an ensemble gets only the metrics that compare with nobody.
    """
    competition, config = ensembles.competition, ensembles.wiring.config
    period, guarded = ensembles.period, ensembles.guarded
    scores, blends = ensembles.scores, ensembles.blends()
    virtual = set(
        competition.models.filter(is_virtual=True).values_list("pk", flat=True)
    )
    is_virtual = np.array([pk in virtual for pk in scores.model_ids.tolist()], bool)

    def context(side: NDArray[np.bool_]) -> MetricsContext:
        return MetricsContext(
            model_ids=tuple(str(pk) for pk in scores.model_ids[side]),
            signals=scores.signals[:, side],
            scores=scores.scores[:, side],
            actuals=scores.actuals.copy(),
            scopes=scores.scopes.copy(),
            window_start=period.start,
            window_end=period.end,
            ensembles=tuple(
                Ensemble(
                    name=blend.name,
                    signals=blended(blend.weights, scores.signals),
                    weights=blend.weights[side],
                )
                for blend in blends
            ),
        )

    columns = {
        name: np.full(len(scores.model_ids), np.nan)
        for name in dict.fromkeys(config.metrics)
    }
    parts = np.zeros((len(scores.model_ids), WIDTH))
    alone = [name for name in config.metrics if name not in COMPARING]
    for side, names in ((~is_virtual, config.metrics), (is_virtual, alone)):
        if side.any():
            of_side = context(side)
            engines = [name for name in names if ":" not in name]
            for name, column in registry.compute(engines, of_side).items():
                columns[name][side] = column
            for name in dict.fromkeys(name for name in names if ":" in name):
                key = (period.start, names is alone)
                # Matrices of its own: it may fill in what is unknown, in place.
                columns[name][side] = _own_metric(name, context(side), guarded, key)
            parts[side] = all_parts(names, of_side)
    return columns, parts


def _own_metric(
    name: str, context: MetricsContext, guarded: GuardedCalls, key: Hashable
) -> Floats:
    """Return the column of the operator's metric; NaN for all while it fails."""

    def checked(column: Any) -> dict[str, float]:
        values = np.asarray(column, dtype=float)
        if values.shape != (len(context.model_ids),):
            raise ValueError(
                f"its answer has the shape {values.shape}; one number for each of "
                f"{len(context.model_ids)} models is needed"
            )
        known = np.where(np.isfinite(values), values, np.nan)
        return dict(zip(context.model_ids, known.tolist(), strict=True))

    try:
        values = guarded.call(
            f"metric {name}",
            name,
            lambda: registry.get(name)(context.signals, context.scores, context),
            check=checked,
            key=key,
        )
    except CallableError:
        return np.full(len(context.model_ids), np.nan)
    return np.array([values.get(model_id, np.nan) for model_id in context.model_ids])
