"""Count how long rows are kept so that a clock that jumps deletes none of them."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, QuerySet

from core.grid import EPOCH

# How long a clock may be ahead.
DOUBT = timedelta(hours=1)


def kept_since(
    rows: QuerySet[Any], column: str, *, keep: timedelta, now: datetime
) -> datetime:
    """Return from when on rows are kept; `column` is their instant.

    It counts back from the newest row that is not of the last hour by `now`. If that
    clock is ahead, rows of its last hour are those that it has written itself. A table
    without new rows keeps what it has.
    """
    settled = rows.filter(**{f"{column}__lte": now - DOUBT})
    newest: datetime = settled.aggregate(at=Max(column))["at"] or EPOCH
    return newest - keep
