"""Keep the sums of closed snapshots in this process.

Closed snapshots only change by a correction, so their sums stay valid until a period
closes, a window moves past a snapshot or a correction is made.
"""

import threading
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from competitions.contract import CrunchConfig
from competitions.models import Competition
from core.grid import NEVER
from scoring.board.window_sums import Sums, read_sums
from scoring.models import Snapshot
from scoring.snapshots.fields import summary_fields


class ClosedState(NamedTuple):
    """The newest closed snapshot, and the last corrections; None without any."""

    end: datetime
    snapshot: int
    updated_at: datetime
    rescoring: int | None
    void_window: int | None


def begins_of(config: CrunchConfig, as_of: datetime) -> list[datetime]:
    """Return where each window that ends at an instant begins."""
    windows = config.aggregation.windows.values()
    return [as_of - timedelta(hours=window.hours) for window in windows]


class _Memory(NamedTuple):
    """The sums, what they depend on, and the starts between which each is valid."""

    key: tuple[Any, ...]
    starts: list[tuple[datetime, datetime]]
    sums: Sums


_memory: dict[int, _Memory] = {}
_lock = threading.Lock()


def forget() -> None:
    """Drop the sums from memory; for benchmarks and tests."""
    with _lock:
        _memory.clear()


def closed_state(competition: Competition) -> ClosedState | None:
    """Return what changes with the closed snapshots; the end of the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT period_end, id, updated_at,
                (SELECT max(id) FROM rescorings WHERE competition_id = %(key)s),
                (SELECT max(id) FROM void_windows WHERE competition_id = %(key)s)
            FROM snapshots
            WHERE model_id IN (SELECT id FROM models WHERE competition_id = %(key)s)
                AND superseded_at IS NULL AND is_closed
            ORDER BY period_end DESC, model_id DESC LIMIT 1
            """,  # Ordered by the index on period_end.
            {"key": competition.pk},
        )
        row = cursor.fetchone()
    return ClosedState(*row) if row else None


def closed_sums(
    competition: Competition,
    config: CrunchConfig,
    as_of: datetime,
    state: ClosedState,
) -> Sums:
    """Return the closed snapshots' sums; from memory if nothing has changed them."""
    windows = config.aggregation.windows
    hours = tuple((name, window.hours) for name, window in windows.items())
    key = (state, tuple(summary_fields(config)), hours)
    begins = begins_of(config, as_of)
    with _lock:
        known = _memory.get(competition.pk)
    if (
        known is not None
        and known.key == key
        and all(
            first <= begin < last
            for begin, (first, last) in zip(begins, known.starts, strict=True)
        )
    ):
        return known.sums
    sums = read_sums(
        competition, config, begins, as_of, "AND period_end <= %s", state.end
    )
    starts = [(begin, _next_end(competition, begin)) for begin in begins]
    with _lock:
        _memory[competition.pk] = _Memory(key, starts, sums)
    return sums


def _next_end(competition: Competition, begin: datetime) -> datetime:
    """Return when the first closed snapshot leaves a window that begins at `begin`."""
    # Read from the rows, because an older snapshot may have another length.
    ends = Snapshot.objects.current().filter(
        model__competition=competition, is_closed=True, period_end__gt=begin
    )
    first = ends.order_by("period_end").values_list("period_end", flat=True).first()
    return first or NEVER
