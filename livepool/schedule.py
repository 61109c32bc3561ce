"""When a release is due, whether it came, and what the site tells about it.

The grid is monthly: the release of a month ranks the last day of the month before, so
a run that comes days late builds the very same release.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Q

from feeds import clock
from feeds.models import FeedRecord
from livepool import build, release
from livepool import config as pool_config
from livepool.errors import LivePoolError
from livepool.models import Release
from livepool.release import Publication

log = structlog.get_logger(__name__)

Status = Release.Status
_GRACE = timedelta(days=1)


def due_date(now: datetime) -> date:
    """The day that this month's release ranks: the last one of the month before."""
    return now.date().replace(day=1) - timedelta(days=1)


def expected_by(now: datetime) -> datetime:
    """When the next release that is not there yet must have come."""
    first = now.date().replace(day=1)
    if _has_release(due_date(now)):
        first = (first + timedelta(days=32)).replace(day=1)
    return datetime.combine(first, time(0), UTC) + _GRACE


def _has_release(as_of: date) -> bool:
    return Release.objects.filter(
        mode=build.default_mode(),
        as_of_date__gte=as_of,
        status__in=[Status.PUBLISHED, Status.WITHDRAWN],
    ).exists()


def publish_due() -> Publication | None:
    """Publish this month's release if it is missing; None when there is nothing to do.

    A site without daily candles has nothing to do. Refusals and failures are raised;
    the next daily look tries again.
    """
    now = clock.now()
    as_of = due_date(now)
    if _has_release(as_of) or not _has_daily_candles():
        return None
    ranking = build.build(as_of=as_of)
    if ranking.as_of_date != as_of:
        raise LivePoolError(
            f"the tape ends on {ranking.as_of_date}, the release needs {as_of}"
        )
    return release.publish(
        folder=build.output_dir(), mode=ranking.mode, actor="schedule"
    )


def _has_daily_candles() -> bool:
    return (
        FeedRecord.objects.using("tape")
        .filter(source=build.daily_source(), kind="candle", granularity="1d")
        .exists()
    )


@dataclass(frozen=True)
class PoolStatus:
    """The state of the pool: none, fresh, late (a newer one should be there), stale."""

    state: str
    version: str | None
    as_of_date: date | None
    age_days: int | None
    max_age_days: int
    activated_at: datetime | None
    next_expected_by: datetime
    publish_enabled: bool
    last_error: str | None
    last_error_version: str | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def status() -> PoolStatus:
    """Where the pool stands now, in three statements."""
    now = clock.now()
    current = Release.objects.current()
    failures = Release.objects.filter(status=Status.FAILED)
    if current:  # what was overtaken by a later release is history
        failures = failures.filter(
            Q(as_of_date__gt=current.as_of_date)
            | Q(as_of_date=current.as_of_date, revision__gt=current.revision)
        )
    failed = failures.newest_first().first()
    limit = pool_config.DEFAULT.max_age_days
    age = (now.date() - current.as_of_date).days if current else None
    expected = expected_by(now)
    if current is None or age is None:
        state = "none"
    elif age > limit:
        state = "stale"
    else:
        state = "late" if now >= expected else "fresh"
    return PoolStatus(
        state=state,
        version=current.version if current else None,
        as_of_date=current.as_of_date if current else None,
        age_days=age,
        max_age_days=limit,
        activated_at=current.activated_at if current else None,
        next_expected_by=expected,
        publish_enabled=settings.ENV.publish_enabled,
        last_error=failed.error if failed else None,
        last_error_version=failed.version if failed else None,
    )


def sound_alarm() -> PoolStatus:
    """Log an error when consumers are, or soon will be, without a fresh pool."""
    found = status()
    if found.state in {"late", "stale"}:
        log.error(
            "livepool.overdue",
            state=found.state,
            version=found.version,
            age_days=found.age_days,
            expected_by=found.next_expected_by.isoformat(),
            last_error=found.last_error,
        )
    return found
