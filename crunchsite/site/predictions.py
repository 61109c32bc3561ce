"""List the newest predictions of a model with their outcomes."""

from typing import Any

from competitions.models import ParticipantModel, Prediction
from competitions.models.told_failures import told_output
from core.paging import Keyset
from core.requests import read_instant
from scoring.scores.statuses import Progress, progress_of, with_progress

PAGE_ROWS = 25
NEWEST_FIRST = Keyset("performed_at", read_instant, descending=True)


def predictions_of(
    model: ParticipantModel, *, user: Any, cursor: str | None = None
) -> tuple[list[Progress], str | None]:
    """Return a page of a model's newest predictions, and the cursor of older ones."""
    rows = Prediction.objects.filter(model=model).with_shown_output(told_output(user))
    page, following = NEWEST_FIRST.page(
        with_progress(rows, user),
        limit=PAGE_ROWS,
        cursor=cursor,
    )
    return progress_of(page), following
