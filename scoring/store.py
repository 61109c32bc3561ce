"""Writing scores, append-only, by COPY; and what a JSON column can hold."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from django.db.models import Max

from competitions.models import Competition
from core.texts import brief, has_nul
from feeds.bulk import copy_rows
from scoring.models import Rescoring, Score
from scoring.scoring import Scored

FIRST_VERSION = 1


def current_version(competition: Competition) -> int:
    """The scoring version that new scores get: the first, or the last rescoring's."""
    newest = Rescoring.objects.filter(competition=competition).aggregate(
        version=Max("scoring_version")
    )
    return newest["version"] or FIRST_VERSION


def copy_scores(
    cursor: Any, rows: Iterable[tuple[int, int, Scored, datetime | None]]
) -> None:
    """Append scores, given as (prediction id, scoring version, score, scored at)."""
    copy_rows(
        cursor,
        Score._meta.db_table,  # noqa: SLF001  documented API
        (
            *("prediction_id", "scoring_version", "value", "success"),
            *("failed_reason", "result_jsonb", "scored_at"),
        ),
        (
            (
                *(prediction, version, score.value, score.success),
                *(score.failed_reason, score.result, scored_at),
            )
            for prediction, version, score, scored_at in rows
        ),
    )


def json_object(value: Any, what: str) -> dict[str, Any]:
    """What a JSON column makes of an object that an operator's callable gave.

    Raises TypeError or ValueError for anything that it cannot hold.
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode()  # half a surrogate pair is no text
    if not isinstance(value, dict) or has_nul(text):
        raise TypeError(f"{what} was {brief(value)}; it is a JSON object without NUL")
    return cast("dict[str, Any]", json.loads(text))
