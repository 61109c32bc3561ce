"""Snapshots: what each model did in an aligned period, rebuilt from stored scores.

A score belongs to the period that holds the instant at which its round was resolved.
The open period is rebuilt by each cycle; once its end has passed it is rebuilt a last
time and closed. The same scores always give the same content hash.
"""

from datetime import datetime, timedelta

from django.db import connection

from competitions.callables.guarded_calls import GuardedCalls
from competitions.contract import CrunchConfig
from competitions.models import Competition
from competitions.models.rounds import RESOLVED_IN
from competitions.slots import Wiring
from core.grid import EPOCH, NEVER, Period, floor
from scoring.models import Snapshot
from scoring.scores.store import current_version
from scoring.snapshots.build_snapshots import build_snapshots
from scoring.snapshots.ensembles import PeriodEnsembles, has_own_code
from scoring.snapshots.period_leaves import log_closed


def rehearse(
    *, competition: Competition, wiring: Wiring, guarded: GuardedCalls
) -> None:
    """Call the operator's callables that `refresh` will need, without a lock.

    Rounds that are resolved in between are left to the next cycle.
    """
    if has_own_callables(wiring.config):
        for period in open_periods(competition):
            ensembles = PeriodEnsembles(
                competition=competition, wiring=wiring, period=period, guarded=guarded
            )
            ensembles.ask()
            build_snapshots(ensembles)


def has_own_callables(config: CrunchConfig) -> bool:
    """Return whether summing up a period calls code of the operator's."""
    return (
        config.aggregate_snapshot is not None
        or any(":" in name for name in config.metrics)
        or any(has_own_code(each) for each in config.ensembles if each.enabled)
    )


def refresh(
    *, competition: Competition, wiring: Wiring, now: datetime, guarded: GuardedCalls
) -> None:
    """Rebuild the snapshots of every period that is not closed yet.

    The caller holds the competition's lock (`locks.lock_exclusive`). Statements per
    open period are constant, and there is rarely more than one such period.
    """
    rows = []
    version = current_version(competition)
    for period in open_periods(competition):
        ensembles = PeriodEnsembles(
            competition=competition, wiring=wiring, period=period, guarded=guarded
        )
        ensembles.fill(version=version)
        built = build_snapshots(ensembles)
        for snapshot in built:
            snapshot.is_closed = period.end <= now
            snapshot.created_at = snapshot.updated_at = now
        rows += built
    if rows:
        Snapshot.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["model", "period_start", "period_end", "revision"],
            update_fields=[
                *("prediction_count", "expected_count", "value", "result_summary"),
                *("parts", "content_hash", "is_closed", "updated_at"),
            ],
        )
    log_closed(competition, wiring, [row for row in rows if row.is_closed])
    # Left over when a round was voided or the period length changed.
    Snapshot.objects.filter(model__competition=competition, is_closed=False).exclude(
        pk__in=[row.pk for row in rows]
    ).delete()


def revise(
    *, competition: Competition, wiring: Wiring, periods: list[Period], now: datetime
) -> None:
    """Replace closed periods' snapshots by new revisions; the old ones stay.

    The caller holds the competition's lock.
    """
    for period in periods:
        old = Snapshot.objects.current().filter(
            model__competition=competition,
            period_start=period.start,
            period_end=period.end,
        )
        revision = 1 + max(old.values_list("revision", flat=True), default=-1)
        old.update(superseded_at=now)
        rows = build_snapshots(
            PeriodEnsembles(
                competition=competition,
                wiring=wiring,
                period=period,
                guarded=GuardedCalls(competition),
            )
        )
        for snapshot in rows:
            snapshot.revision, snapshot.is_closed = revision, True
            snapshot.created_at = snapshot.updated_at = now
        Snapshot.objects.bulk_create(rows)
        log_closed(competition, wiring, rows)


def open_periods(competition: Competition) -> list[Period]:
    """Return the periods after the last closed one with a resolved round, in order."""
    closed_end = last_closed_end(competition)
    length = timedelta(seconds=competition.snapshot_period_s)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT floor(extract(epoch FROM resolved_at) / %s)::bigint "
            f"FROM inputs AS round WHERE {RESOLVED_IN} ORDER BY 1",
            [
                *(competition.snapshot_period_s, competition.pk),
                *(closed_end or EPOCH, NEVER),
            ],
        )
        numbers = [number for (number,) in cursor.fetchall()]
    return [_open_period(EPOCH + n * length, length, closed_end) for n in numbers]


def period_at(competition: Competition, at: datetime) -> Period:
    """Return the period that holds an instant which is in no closed one."""
    length_s = competition.snapshot_period_s
    return _open_period(
        floor(at, length_s), timedelta(seconds=length_s), last_closed_end(competition)
    )


def _open_period(
    start: datetime, length: timedelta, closed_end: datetime | None
) -> Period:
    """Return a period of the grid, without what a closed one holds of it."""
    return Period(start=max(start, closed_end or EPOCH), end=start + length)


def last_closed_end(competition: Competition) -> datetime | None:
    """Return when the newest closed period of a competition ends; None without any."""
    # The newest by the index on period_end, not max() over all of history.
    return (
        Snapshot.objects.filter(model__competition=competition, is_closed=True)
        .order_by("-period_end")
        .values_list("period_end", flat=True)
        .first()
    )
