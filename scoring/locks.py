"""Who may write a competition's scores and standings at the same time.

Scoring is shared: any number of workers score different rounds at once. Summing up is
exclusive, and waits for scoring that is under way. So a period that is closed under the
exclusive lock misses no score that was dated inside it.
"""

from django.db import connection

_SCORING = 0x5C0


def lock_shared(competition_id: int) -> None:
    """Exclude summing up until the transaction ends; others may score too."""
    _take("pg_advisory_xact_lock_shared", competition_id)


def lock_exclusive(competition_id: int) -> None:
    """Exclude all scoring and summing up by others until the transaction ends."""
    _take("pg_advisory_xact_lock", competition_id)


def _take(function: str, competition_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_SCORING, competition_id])
