"""Say what keeps the log from being signed."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from core import clock
from core.errors import OperatorError
from proofs import kept_head, log_keys, stamping
from proofs.models import LogCheckpoint, LogLeaf, LogTimestamp, Witness
from proofs.sealing import forked

PATIENCE = timedelta(seconds=60)  # of real time, until what waits is a trouble
STAMP_PATIENCE = timedelta(hours=3)  # the same; a head is stamped each hour


class LogTrouble(NamedTuple):
    """What is wrong with the log: a stable code, the text, and since when."""

    code: str
    what: str
    since: datetime | None


def log_troubles() -> list[LogTrouble]:
    """Return why nothing is signed, or what waits too long; empty when all is well."""
    return [*_refusals(), *_unsigned(), *_unstamped()]


def _refusals() -> list[LogTrouble]:
    """Return the witnesses that say that the log was rewritten."""
    return [
        LogTrouble(
            "witness_refused",
            f"The witness {each} of {each.owner} says that the log was rewritten. "
            "Compare the head that it has seen with this log's, before anything else.",
            each.refused_at,
        )
        for each in Witness.objects.exclude(refused_at=None)
    ]


def _unsigned() -> list[LogTrouble]:
    waiting = LogLeaf.objects.waiting()
    first = waiting.first()
    if first is None:
        return []
    since = first.at
    try:
        log_keys.signers()
        _compare_head()
    except OperatorError as error:
        return [LogTrouble(error.code, f"The log is not signed: {error}", since)]
    late = clock.now() - clock.wall_seconds(PATIENCE.total_seconds())
    if since < late:
        count = waiting.count()
        waits = "entry of the log waits" if count == 1 else "entries of the log wait"
        what = (
            f"{count} {waits} for a signature; is a worker of the queue default up, "
            "and what does its log say of log.unsigned?"
        )
        return [LogTrouble("log_waits", what, since)]
    return []


def _unstamped() -> list[LogTrouble]:
    """Return since when no head was stamped, although an authority is named."""
    if not settings.ENV.log_timestamp_url:
        return []
    last = LogTimestamp.objects.values_list("head", flat=True).first() or 0
    first = LogCheckpoint.objects.filter(size__gt=last).order_by("size").first()
    if first is None:
        return []
    try:
        stamping.authorities()
    except OperatorError as error:
        return [LogTrouble("log_unstamped", str(error), first.signed_at)]
    late = clock.now() - clock.wall_seconds(STAMP_PATIENCE.total_seconds())
    if first.signed_at >= late:
        return []
    what = (
        f"No head of the log was stamped since that of {last} entries; does the "
        "authority answer, and what does a worker's log say of log.unstamped?"
    )
    return [LogTrouble("log_unstamped", what, first.signed_at)]


def _compare_head() -> None:
    """Raise LogForkError when more was signed than the database can have."""
    kept = kept_head.read()
    if kept is None:
        return
    last = LogCheckpoint.objects.first()
    size = last.size if last else 0
    is_resumed = kept.before == size and LogLeaf.objects.waiting().filter(
        pk__in=kept.leaves
    ).count() == len(kept.leaves)
    if kept.head.size > size and not is_resumed:
        raise forked(kept, size)
    if last and kept.head.size == size and bytes(last.root) != kept.head.root:
        raise forked(kept, size)
