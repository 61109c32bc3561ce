"""Try a competition's scorer on made-up answers before it is activated."""

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from competitions.contract import CrunchConfig
from competitions.models import Competition
from competitions.slots import Wiring
from scoring.metrics.registry import UnknownMetricError
from scoring.scores import batch
from scoring.scores.scorer import Failure, NewScore, score_all
from scoring.snapshots.fields import signal_field
from scoring.snapshots.period_metrics import registry

# Signals and returns of both signs, so that any real scorer gives different values.
_TRIALS = [(signal, change) for signal in (-1.0, 0.5, 1.0) for change in (-0.01, 0.02)]


@dataclass(frozen=True)
class DryRun:
    """The errors and warnings of a trial of a scorer."""

    errors: list[str]
    warnings: list[str]


def try_scorer(competition: Competition, wiring: Wiring) -> list[str]:  # noqa: ARG001  a trial
    """Return the problems of a competition's scorer and metrics, as sentences."""
    return dry_run(wiring).errors


def dry_run(wiring: Wiring) -> DryRun:
    """Score six made-up predictions and check the results.

    Errors: every trial failed, or a metric is unknown. Warnings: some trials
    failed, or all got the same value, as from a stub. Types that need more than a
    signal and prices cannot be tried; that is a warning too.
    """
    errors = []
    for name in wiring.config.metrics:
        try:
            registry.get(name)
        except UnknownMetricError as error:
            errors.append(str(error))
    scores = _try(wiring)
    if isinstance(scores, Failure):
        return DryRun(errors, [scores.reason])
    failed = [score.failed_reason for score in scores if not score.success]
    if len(failed) == len(scores):
        return DryRun([*errors, f"the scorer failed every trial: {failed[0]}"], [])
    warnings = []
    if failed:
        count = f"{len(failed)} of {len(scores)}"
        warnings.append(f"the scorer failed {count} trials: {failed[0]}")
    elif len({score.value for score in scores}) == 1:
        warnings.append(
            f"the scorer gave {scores[0].value:g} for every trial: is it a stub?"
        )
    return DryRun(errors, warnings)


def _try(wiring: Wiring) -> list[NewScore] | Failure:
    config = wiring.config
    try:
        predictions = [made_up_answer(config, value) for value, _ in _TRIALS]
        truths = [_truth(config.ground_truth_type, change) for _, change in _TRIALS]
    except ValueError as error:
        return Failure(f"the scorer could not be tried: {error}")
    if config.batch_scoring_function is None:
        return score_all(
            wiring=wiring,
            outputs=[prediction.model_dump_json() for prediction in predictions],
            truths=truths,
            names=[("trial", 0)] * len(truths),
        )
    return batch.score_columns(
        scorer=config.batch_scoring_function,
        predictions=batch.columns_of(config.output_type, predictions),
        truths=batch.columns_of(config.ground_truth_type, truths),
        value_field=config.aggregation.value_field,
    )


def made_up_answer(config: CrunchConfig, signal: float) -> BaseModel:
    """Return an answer with this signal; raises ValueError if its type needs more.

    A further choice is the first for a signal above 0, else the last; a further number
    is the signal's size.
    """
    kind, name = config.output_type, signal_field(config)
    others = {
        other: _made_up(field.annotation, signal)
        for other, field in kind.model_fields.items()
        if field.is_required() and other != name
    }
    return kind(**{name: signal, **others})


def _made_up(annotation: Any, signal: float) -> Any:
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0 if signal > 0 else -1]
    return abs(signal)


def _truth(kind: type[BaseModel], change: float) -> BaseModel:
    price = 100.0 * (1 + change)
    others = {
        name: _made_up(field.annotation, price)
        for name, field in kind.model_fields.items()
        if field.is_required()
    }
    known = {
        "entry_price": 100.0,
        "resolved_price": price,
        "actual_return": change,
        "direction_up": change > 0,
    }
    return kind.model_validate(others | known)
