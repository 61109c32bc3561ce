"""Ensembles: virtual models whose signal is a weighted mean of the real models'.

Weights follow from the snapshot period before, over the models of this one so far, and
never look ahead; in a first period everybody weighs the same. A round that was resolved
gets the ensemble's prediction and score as any model's, before the metrics that compare
with it. The weights are kept with the prediction, and a rebuild takes them from there:
they would come out otherwise once the period before was corrected or a model has come.
Ensembles have no rank and are never paid.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np
import structlog
from django.db import connection

from competitions.callables.door import CallableError, Door
from competitions.contract import EnsembleConfig
from competitions.models import Competition, ParticipantModel, Prediction, Round
from competitions.slots import Wiring
from core.copy import copy_rows
from core.grid import Period
from core.texts import brief
from scoring.metrics.ranks import without_noise
from scoring.models import Snapshot
from scoring.scores.score_rounds import score_answers, truths_of
from scoring.scores.store import copy_scores
from scoring.snapshots.matrices import Scores, read_scores, signal_field

log = structlog.get_logger(__name__)

# Weights are rounded to these digits, in use as in a prediction's meta.
_DIGITS = 6
# Less spread than this is none: the model's raw weight is 1.
_NO_VARIANCE = 1e-12

Metrics = Mapping[str, Mapping[str, float | None]]
Signals = Mapping[str, np.ndarray]
# By ensemble and model id; only members, all above 0.
Shares = dict[str, dict[str, float]]


def model_id_of(name: str) -> str:
    return f"__ensemble_{name}__"


def inverse_variance(model_metrics: Metrics, signals: Signals) -> dict[str, float]:
    """Weights in proportion to 1 / population variance of each model's signals.

    A model with fewer than two signals or without variance has the raw weight 1.
    """
    raw = {}
    for model_id in model_metrics:
        known = signals[model_id][~np.isnan(signals[model_id])]
        variance = float(known.var()) if len(known) >= 2 else 0.0
        raw[model_id] = 1.0 if variance < _NO_VARIANCE else 1 / variance
    return _normalised(raw)


def equal_weight(model_metrics: Metrics, signals: Signals) -> dict[str, float]:  # noqa: ARG001  a strategy
    """The same weight for everybody."""
    return _normalised(dict.fromkeys(model_metrics, 1.0))


STRATEGIES: dict[str, Callable[[Metrics, Signals], dict[str, float]]] = {
    "inverse_variance": inverse_variance,
    "equal_weight": equal_weight,
}


def _normalised(raw: Mapping[str, float]) -> dict[str, float]:
    """Weights that sum to 1; equal ones when nothing is left of the raw ones."""
    usable = {k: w for k, w in raw.items() if np.isfinite(w) and w > 0}
    total = sum(usable.values())
    if total <= 0:
        return {k: 1 / len(raw) for k in raw}
    return {k: w / total for k, w in usable.items()}


def top_n(n: int) -> dict[str, Any]:
    """Keeps the n models with the highest mean score; unknown ones come last.

    The highest whatever the ranking's direction: for scores of which less is better
    choose by `min_metric` or a predicate.
    """
    return {"top_n": n}


def min_metric(name: str, threshold: float) -> dict[str, Any]:
    """Keeps models whose metric is known and at least the threshold."""
    return {"min_metric": {"name": name, "threshold": threshold}}


def _best(n: int, model_metrics: Metrics) -> Metrics:
    def place(model_id: str) -> tuple[bool, float, str]:
        value = model_metrics[model_id].get("value")
        return value is None, -(value or 0.0), model_id

    return {m: model_metrics[m] for m in sorted(model_metrics, key=place)[:n]}


def _at_least(name: str, threshold: float, model_metrics: Metrics) -> Metrics:
    return {
        model_id: metrics
        for model_id, metrics in model_metrics.items()
        if (value := metrics.get(name)) is not None and value >= threshold
    }


def kept(model_filter: Any, model_metrics: Metrics) -> list[str]:
    """Model ids that a filter keeps: those above, the minimum first, or a predicate."""
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


@dataclass(frozen=True)
class Blend:
    """An ensemble of a period: its model, and its weights by member and per column."""

    name: str
    model: ParticipantModel
    shares: Mapping[str, float]
    weights: np.ndarray


def is_own(config: EnsembleConfig) -> bool:
    """Whether an ensemble calls code of the operator's."""
    return callable(config.strategy) or callable(config.model_filter)


def blends(
    *,
    competition: Competition,
    wiring: Wiring,
    period: Period,
    found: Scores,
    door: Door,
) -> list[Blend]:
    """The period's ensembles with their weights; empty without enabled ones.

    The weights are those of an ensemble's newest prediction of the period, so that a
    rebuild finds them whatever became of the period before. Without one they are
    computed; an ensemble whose filter keeps nobody, or whose strategy fails, is left
    out.
    """
    configs = _enabled(wiring)
    if not configs:
        return []
    shares = _stored(competition, period, configs)
    new = [config for config in configs if config.name not in shares]
    if new:
        shares |= _computed(competition, wiring, period, found, new, door)
    # The first one is what metrics compare with.
    ordered = {c.name: shares[c.name] for c in configs if c.name in shares}
    return _blends(competition, period, found, ordered)


def _enabled(wiring: Wiring) -> list[EnsembleConfig]:
    return [config for config in wiring.config.ensembles if config.enabled]


def _blends(
    competition: Competition, period: Period, found: Scores, shares: Shares
) -> list[Blend]:
    models = virtual_models(competition, list(shares), period.start)
    names = dict(competition.models.values_list("pk", "model_id"))
    members = [names[pk] for pk in found.model_ids.tolist()]
    return [
        Blend(
            name=name,
            model=models[name],
            shares=mine,
            weights=np.array([mine.get(member, 0.0) for member in members]),
        )
        for name, mine in shares.items()
    ]


def _stored(
    competition: Competition, period: Period, configs: Sequence[EnsembleConfig]
) -> Shares:
    """The weights of each ensemble's newest prediction in a resolved round."""
    rounds = Round.objects.filter(competition=competition).resolved_in(period)
    newest = (
        Prediction.objects.filter(
            model__competition=competition,
            model__model_id__in=[model_id_of(config.name) for config in configs],
            round__in=rounds.values("pk"),
        )
        .order_by("model_id", "-pk")
        .distinct("model_id")
        .values_list("meta", flat=True)
    )
    return {meta["ensemble_name"]: meta["weights"] for meta in newest}


def _computed(  # noqa: PLR0917  a private step
    competition: Competition,
    wiring: Wiring,
    period: Period,
    found: Scores,
    configs: Sequence[EnsembleConfig],
    door: Door,
) -> Shares:
    """The weights that follow from the period before."""
    past = read_scores(competition=competition, wiring=wiring, period=period.before)
    known = set(found.model_ids.tolist())
    real = {
        pk: model_id
        for pk, model_id in competition.models.filter(is_virtual=False)
        .order_by("model_id")
        .values_list("pk", "model_id")
        if pk in known
    }
    signals = {
        model_id: past.signals[:, past.model_ids == pk].ravel()
        for pk, model_id in real.items()
    }
    summaries = {
        model_id: {**summary, "value": value}
        for model_id, value, summary in Snapshot.objects.current()
        .filter(model__in=real, period_end=period.start)
        .values_list("model__model_id", "value", "result_summary")
    }
    metrics = {model_id: summaries.get(model_id, {}) for model_id in real.values()}
    result = {}
    for config in configs:
        try:
            shares = _shares(config, metrics, signals, door, period)
        except CallableError:
            continue
        rounded = {m: round(w, _DIGITS) for m, w in shares.items()}
        if any(rounded.values()):
            result[config.name] = {m: w for m, w in rounded.items() if w > 0}
    return result


def _shares(
    config: EnsembleConfig,
    metrics: Metrics,
    signals: Signals,
    door: Door,
    period: Period,
) -> dict[str, float]:
    """Weights by model id that sum to 1; raises CallableError for the operator's."""
    strategy = config.strategy
    weigh = STRATEGIES[strategy] if isinstance(strategy, str) else strategy

    def weights() -> Any:
        members = kept(config.model_filter, metrics)
        return weigh({m: metrics[m] for m in members}, signals) if members else {}

    def checked(raw: Any) -> dict[str, float]:
        if strangers := dict(raw).keys() - metrics.keys():
            raise ValueError(
                f"it weighed {brief(sorted(strangers))}, who are no members"
            )
        floats = {model_id: float(weight) for model_id, weight in raw.items()}
        return _normalised(floats) if floats else {}

    if not is_own(config):
        return checked(weights())
    name = f"ensemble {config.name}"
    return cast(
        "dict[str, float]",
        door.call(name, "contract:ensembles", weights, check=checked, key=period.start),
    )


def virtual_models(
    competition: Competition, ensembles: Sequence[str], at: datetime
) -> dict[str, ParticipantModel]:
    """The ensembles' rows among the models, made on first use; by ensemble name."""
    ids = {model_id_of(name): name for name in ensembles}
    ParticipantModel.objects.bulk_create(
        [
            ParticipantModel(
                competition=competition,
                model_id=model_id,
                name=f"Ensemble {name}",
                is_virtual=True,
                created_at=at,
                updated_at=at,
            )
            for model_id, name in ids.items()
        ],
        ignore_conflicts=True,
    )
    rows = competition.models.filter(model_id__in=ids)
    return {ids[model.model_id]: model for model in rows}


def signal(weights: np.ndarray, signals: np.ndarray) -> np.ndarray:
    """Weighted mean per round over the members that answered; NaN where none did.

    Means that are equal but for the order of their sums are made equal, so that a blend
    that says the same in each round is seen to be constant.
    """
    present = ~np.isnan(signals) & (weights > 0)
    total = np.where(present, weights, 0.0).sum(axis=1)
    parts = np.where(present, signals * weights, 0.0)
    mean, size = np.full((2, len(signals)), np.nan)
    some = total > _NO_VARIANCE
    np.divide(parts.sum(axis=1), total, out=mean, where=some)
    np.divide(np.abs(parts).sum(axis=1), total, out=size, where=some)
    return without_noise(mean, size) if some.any() else mean


def fill(
    *,
    competition: Competition,
    wiring: Wiring,
    period: Period,
    version: int,
    door: Door,
) -> None:
    """Give each resolved round of the period the ensembles' predictions and scores.

    Rounds that have them are left alone. The caller holds the competition's lock.
    """
    configs = _enabled(wiring)
    if not configs:
        return
    found = read_scores(competition=competition, wiring=wiring, period=period)
    shares = _computed(competition, wiring, period, found, configs, door)
    for blend in _blends(competition, period, found, shares):
        values = signal(blend.weights, found.signals)
        own = found.asked[:, found.model_ids == blend.model.pk].any(axis=1)
        missing = ~own & ~np.isnan(values)
        if missing.any():
            answers = dict(
                zip(
                    found.round_ids[missing].tolist(),
                    values[missing].tolist(),
                    strict=True,
                )
            )
            _store(wiring, blend, answers, version)


def _store(
    wiring: Wiring,
    blend: Blend,
    answers: dict[int, float],
    version: int,
) -> None:
    field = signal_field(wiring.config)
    rounds = {
        row.pk: row
        for row in Round.objects.filter(pk__in=answers).only(
            "performed_at", "resolved_at", "actuals"
        )
    }
    with connection.cursor() as cursor:
        copy_rows(
            cursor,
            Prediction._meta.db_table,  # noqa: SLF001  documented API
            (
                *("input_id", "model_id", "outcome", "reason"),
                *("inference_output_jsonb", "performed_at", "meta_jsonb"),
            ),
            (
                (
                    *(pk, blend.model.pk, Prediction.Outcome.ANSWERED, ""),
                    *({field: value}, rounds[pk].performed_at),
                    {"ensemble_name": blend.name, "weights": blend.shares},
                )
                for pk, value in answers.items()
            ),
        )
        scored = score_answers(
            cursor=cursor,
            wiring=wiring,
            truths=truths_of(rounds, wiring),
            model=blend.model.pk,
        )
        copy_scores(
            cursor,
            (
                (each.prediction, version, each.score, rounds[each.round].resolved_at)
                for each in scored
            ),
        )
