"""Seal the log on a cadence, and at once before a truth can be known."""

from datetime import datetime

import structlog
from django.db import DatabaseError, transaction

from core import clock
from core.errors import OperatorError
from proofs import sealing

log = structlog.get_logger(__name__)

# Beat asks each second; a truth that can be known this soon does not wait for it.
SOON_S = 5.0
_said: list[str] = []  # the refusal that was logged last


def seal_all() -> int:
    """Seal all that waits, and return how many leaves; a refusal is logged once.

    The flight deck shows it as long as it lasts (proofs.standing).
    """
    sealed = 0
    try:
        while count := sealing.seal():
            sealed += count
    except OperatorError as error:
        if _said != [str(error)]:
            _said[:] = [str(error)]
            log.error("log.unsigned", code=error.code, reason=str(error))  # noqa: TRY400  its text says all
        return sealed
    _said.clear()
    return sealed


def seal_before(known_at: datetime) -> None:
    """Seal after the open transaction's commit if a truth may be known soon.

    What fails then is left to the cadence: the fact is stored already.
    """
    if known_at - clock.now() < clock.wall_seconds(SOON_S):
        transaction.on_commit(_seal_quietly)


def _seal_quietly() -> None:
    try:
        seal_all()
    except DatabaseError as error:
        log.warning("log.sealed_later", reason=str(error))
