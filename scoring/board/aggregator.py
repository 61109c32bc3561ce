"""Call the operator's MODEL_SCORE_AGGREGATOR: scores in, figures per model out.

The engine's own figures come from snapshots in SQL; only an operator's aggregator needs
the scores themselves, those of the longest window.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from competitions.callables.guarded_calls import CallableError, GuardedCalls
from competitions.models import Competition, ParticipantModel
from competitions.slots import Wiring
from core.grid import Period
from core.rounding import rounded
from core.texts import brief
from scoring.board.windows import Figures
from scoring.models import Score


class Entrant(NamedTuple):
    """What a board shows of a model besides figures; an ensemble has no cruncher."""

    pk: int
    model_id: str
    name: str
    is_virtual: bool = False
    state: str = ParticipantModel.State.RUNNING
    cruncher_name: str | None = None
    cruncher_index: int | None = None
    exclusion_reason: str = ""  # of an excluded model


class _OwnScore(TypedDict):
    metrics: dict[Annotated[str, Field(max_length=80)], float | None]


class _OwnEntry(TypedDict):
    """A model's entry as MODEL_SCORE_AGGREGATOR returns it."""

    model_id: str
    score: _OwnScore


def aggregated(
    *,
    competition: Competition,
    wiring: Wiring,
    period: Period,
    entrants: Sequence[Entrant],
    found: Mapping[int, Figures],
    guarded: GuardedCalls,
) -> dict[int, Figures]:
    """Return the figures, with the aggregator's metrics replacing the built-in ones.

    The aggregator receives the scores of the period's resolved rounds. While it fails,
    only the built-in figures are used.
    """
    by_id = {entrant.model_id: entrant for entrant in entrants}
    try:
        metrics = guarded.call_slot(
            wiring,
            "MODEL_SCORE_AGGREGATOR",
            scored_predictions(competition=competition, period=period),
            {model_id: entrant._asdict() for model_id, entrant in by_id.items()},
            check=lambda entries: _checked(entries, by_id),
        )
    except CallableError:
        return dict(found)
    result = dict(found)
    for model_id, own in metrics.items():
        pk = by_id[model_id].pk
        if pk in result:
            result[pk] = result[pk]._replace(metrics=result[pk].metrics | own)
    return result


def _checked(
    entries: Any, known: Collection[str]
) -> dict[str, dict[str, float | None]]:
    """Return metrics by model id; raises ValueError if a model or number is unknown."""
    found = TypeAdapter(list[_OwnEntry]).validate_python(entries)
    if strangers := {entry["model_id"] for entry in found} - set(known):
        raise ValueError(
            f"it gave an entry for {brief(sorted(strangers))}; the competition has no "
            "such model"
        )
    return {
        entry["model_id"]: {
            name: None if value is None else rounded(value)
            for name, value in entry["score"]["metrics"].items()
        }
        for entry in found
    }


def scored_predictions(
    *, competition: Competition, period: Period
) -> list[dict[str, Any]]:
    """Return the scores of a period's resolved rounds, oldest first."""
    rows = (
        Score.objects.resolved_in(competition, period)
        .order_by("prediction_id")
        .values(
            *("value", "success", "failed_reason", "result", "scored_at"),
            "prediction_id",
            "prediction__model__model_id",
            "prediction__output",
            "prediction__performed_at",
            "prediction__round__scope_key",
        )
    )
    return [
        {
            "prediction_id": row["prediction_id"],
            "model_id": row["prediction__model__model_id"],
            "inference_output": row["prediction__output"],
            "performed_at": row["prediction__performed_at"],
            "scope_key": row["prediction__round__scope_key"],
            "value": row["value"],
            "success": row["success"],
            "failed_reason": row["failed_reason"],
            "result": row["result"],
            "scored_at": row["scored_at"],
        }
        for row in rows
    ]
