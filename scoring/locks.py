"""Lock a competition's scores and standings against writes at the same time.

Scoring takes a shared lock: any number of workers score different rounds at once.
Building snapshots and boards takes an exclusive lock, and waits for scoring in
progress. So a period that is closed under the exclusive lock misses no score dated
inside it.
"""

from django.db import connection

_SCORING = 0x5C0


def lock_shared(competition_id: int) -> None:
    """Exclude building snapshots until the transaction ends; others may score too."""
    _take("pg_advisory_xact_lock_shared", competition_id)


def lock_exclusive(competition_id: int) -> None:
    """Exclude all other scoring and building until the transaction ends."""
    _take("pg_advisory_xact_lock", competition_id)


def _take(function: str, competition_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_SCORING, competition_id])
