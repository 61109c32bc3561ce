"""The operator's MODEL_SCORE_AGGREGATOR: scores in, figures per model out.

The engine's own figures come from snapshots in SQL; only an operator's aggregator needs
the scores themselves, those of the longest window.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from competitions.models import Competition, ParticipantModel
from competitions.slots import Wiring
from scoring.models import Score
from scoring.snapshots import rounded
from scoring.windows import Figures


class Entrant(NamedTuple):
    """What a board says of a model; an ensemble has no cruncher."""

    pk: int
    model_id: str
    name: str
    is_virtual: bool = False
    state: str = ParticipantModel.State.RUNNING
    cruncher_name: str | None = None
    cruncher_index: int | None = None


def aggregated(
    *,
    competition: Competition,
    wiring: Wiring,
    start: datetime,
    end: datetime,
    entrants: Sequence[Entrant],
    found: Mapping[int, Figures],
) -> dict[int, Figures]:
    """The figures with the aggregator's metrics laid over the engine's.

    The aggregator is given the scores of rounds resolved in `[start, end)`.

    Raises ValueError naming the slot's path when it invents a model.
    """
    by_id = {entrant.model_id: entrant for entrant in entrants}
    entries = wiring.call(
        "MODEL_SCORE_AGGREGATOR",
        scored_predictions(competition=competition, start=start, end=end),
        {model_id: entrant._asdict() for model_id, entrant in by_id.items()},
    )
    result = dict(found)
    for entry in entries:
        entrant = by_id.get(entry["model_id"])
        if entrant is None:
            raise ValueError(
                f"{wiring.paths['MODEL_SCORE_AGGREGATOR']} gave an entry for "
                f"{entry['model_id']!r}; the competition has no such model"
            )
        before = result.get(entrant.pk)
        if before is not None:
            metrics = before.metrics | {
                name: None if value is None else rounded(value)
                for name, value in entry["score"]["metrics"].items()
            }
            result[entrant.pk] = before._replace(metrics=metrics)
    return result


def scored_predictions(
    *, competition: Competition, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """Scores of rounds resolved in `[start, end)`, oldest first."""
    rows = (
        Score.objects.resolved_in(competition, start, end)
        .order_by("prediction_id")
        .values(
            *("value", "success", "failed_reason", "result", "scored_at"),
            "prediction_id",
            "prediction__model__model_id",
            "prediction__output",
            "prediction__performed_at",
            "prediction__input__scope_key",
        )
    )
    return [
        {
            "prediction_id": row["prediction_id"],
            "model_id": row["prediction__model__model_id"],
            "inference_output": row["prediction__output"],
            "performed_at": row["prediction__performed_at"],
            "scope_key": row["prediction__input__scope_key"],
            "value": row["value"],
            "success": row["success"],
            "failed_reason": row["failed_reason"],
            "result": row["result"],
            "scored_at": row["scored_at"],
        }
        for row in rows
    ]
