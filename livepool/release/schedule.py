"""Publish the monthly release in time, and report when it is late.

The grid is monthly: the release of a month ranks the last day of the previous month, so
a run that is days late builds exactly the same release. A site that has never published
publishes its first release as soon as it has the candles.
"""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db.models import Q
from redis.exceptions import RedisError

from core import clock
from core.acts import sees_troubles
from core.errors import OperatorError
from feeds.errors import FeedError, TapeError
from livepool import coins
from livepool.artifacts import completed_at
from livepool.errors import LivePoolError
from livepool.model import parameters as pool_config
from livepool.model.features import FeatureError
from livepool.model.pipeline import BuildError
from livepool.models import Release
from livepool.release import build, publish
from livepool.release.publish import Publication

log = structlog.get_logger(__name__)

Status = Release.Status
DAILY_LOOK = time(4, 15)
HISTORY_MONTHS = 5
_GRACE = timedelta(days=1)
_FIRST, _PAUSE_S = "livepool.first", 600
HIDDEN_FAILURE = "it failed; only operators see why"


def due_date(now: datetime) -> date:
    """Return the day that this month's release ranks: the last of the month before."""
    return now.date().replace(day=1) - timedelta(days=1)


def expected_by(now: datetime) -> datetime:
    """Return when the next release must be there; if it is late, the next try."""
    return _expected_by(now, is_there=has_release(due_date(now)))


def _expected_by(now: datetime, *, is_there: bool) -> datetime:
    due_by = _due_by(now, is_there=is_there)
    if due_by > now:
        return due_by
    look = datetime.combine(now.date(), DAILY_LOOK, UTC)
    return look if look > now else look + timedelta(days=1)


def _due_by(now: datetime, *, is_there: bool) -> datetime:
    """Return when this month's release was due, or if it is there, next month's."""
    first = now.date().replace(day=1)
    if is_there:
        first = (first + timedelta(days=32)).replace(day=1)
    return datetime.combine(first, time(0), UTC) + _GRACE


def has_release(as_of: date) -> bool:
    """Return whether a release of that day, or a later one, was published."""
    return Release.objects.filter(
        mode=build.default_mode(),
        as_of_date__gte=as_of,
        status__in=[Status.PUBLISHED, Status.WITHDRAWN],
    ).exists()


def publish_due(*, actor: str = "schedule") -> Publication | None:
    """Publish this month's release if it is missing; None if there is nothing to do.

    A site that does not publish has nothing to do. One that does subscribes new coins
    of its source, if that answers, and logs an error when there are no daily candles at
    all. Refusals and failures are raised; the next daily check tries again.
    """
    as_of = due_date(clock.now())
    if not settings.ENV.publish_enabled or has_release(as_of):
        return None
    if coins.is_subscribed():
        try:
            coins.subscribe()
        except (FeedError, LivePoolError) as error:  # the tape may have all the same
            log.warning("livepool.no_new_coins", why=str(error))
    missing = coins.missing(as_of)
    if not coins.are_on_tape():
        log.error("livepool.no_candles", why=missing)
        return None
    if missing:
        raise LivePoolError(missing)
    return _publish(as_of, actor=actor)


def publish_first() -> Publication | None:
    """Publish the first release of a site, once its candles have arrived.

    Called often; if there is a release it costs one statement. The local store gets the
    previous months too, oldest first, as a history; who was stopped among these goes
    on. A failure is logged, stored for `status`, and tried again after a pause.
    """
    if not settings.ENV.publish_enabled or _had_first():
        return None
    if cache.get(_FIRST) is not None:  # another try was a moment ago, or still runs
        return None
    try:
        if not coins.is_subscribed() and not coins.are_on_tape():
            coins.subscribe()
        as_of = due_date(clock.now())
        if coins.missing(as_of) or not cache.add(_FIRST, "", _PAUSE_S):
            return None
        if not settings.ENV.cloud_bucket:
            _publish_history(as_of)
        return _publish(as_of)
    except (OperatorError, OSError) as error:  # a full disk, too
        cache.set(_FIRST, str(error), _PAUSE_S)
        log.warning("livepool.no_first_release", error=str(error))
        return None


def _had_first() -> bool:
    """Return whether a release was ever published that was not history by then."""
    rows = Release.objects.ever_published().newest_first()
    newest = rows.values_list("as_of_date", "published_at").first()
    if newest is None:
        return False
    as_of, published_at = newest
    assert published_at is not None  # it was ever published
    return as_of >= due_date(published_at)


def _publish_history(as_of: date) -> None:
    days = [as_of]
    for _ in range(HISTORY_MONTHS):
        days.append(days[-1].replace(day=1) - timedelta(days=1))
    for day in reversed(days[1:]):
        if has_release(day):
            continue
        try:
            _publish(day)
        except (BuildError, FeatureError) as error:  # too few candles, or a gap
            log.info("livepool.no_history", as_of=str(day), why=str(error))


def _publish(as_of: date, *, actor: str = "schedule") -> Publication:
    ranking = build.build(as_of=as_of)
    if ranking.as_of_date != as_of:
        raise BuildError(
            f"the tape ends on {ranking.as_of_date}, the release needs {as_of}"
        )
    return publish.publish(
        folder=build.output_dir(),
        mode=ranking.mode,
        actor=actor,
        refused=ranking.refused,
        allow_stale=as_of < due_date(clock.now()),
    )


@dataclass(frozen=True)
class PoolStatus:
    """The state of the pool: none, fresh, late (a newer one should be there), stale.

    `last_error` is what failed, or else what a first release waits for.
    """

    state: str
    version: str | None
    as_of_date: date | None
    age_days: int | None
    max_age_days: int
    activated_at: datetime | None
    next_expected_by: datetime
    overdue_since: datetime | None
    publish_enabled: bool
    last_error: str | None
    last_error_version: str | None
    has_failed: bool

    def told_to(self, user: Any) -> "PoolStatus":
        """Return it as a user may read it: what failed names hosts and paths."""
        if not self.has_failed or sees_troubles(user):
            return self
        return replace(self, last_error=HIDDEN_FAILURE)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def status() -> PoolStatus:
    """Return the state of the pool, in three statements."""
    now = clock.now()
    current = Release.objects.current()
    failures = Release.objects.filter(status=Status.FAILED)
    if current:  # errors before a later release no longer matter
        failures = failures.filter(
            Q(as_of_date__gt=current.as_of_date)
            | Q(as_of_date=current.as_of_date, revision__gt=current.revision)
        )
    failed = failures.newest_first().first()
    limit = pool_config.DEFAULT.max_age_days
    age = (now.date() - current.as_of_date).days if current else None
    is_there = has_release(due_date(now))
    due_by = _due_by(now, is_there=is_there)
    if current is None or age is None:
        state = "none"
    elif age > limit:
        state = "stale"
    else:
        state = "late" if now >= due_by else "fresh"
    error, has_failed = (failed.error, True) if failed else (None, False)
    if current is None and error is None:
        error, has_failed = _why_none(due_date(now))
    return PoolStatus(
        state=state,
        version=current.version if current else None,
        as_of_date=current.as_of_date if current else None,
        age_days=age,
        max_age_days=limit,
        activated_at=current.activated_at if current else None,
        next_expected_by=_expected_by(now, is_there=is_there),
        overdue_since=_overdue_since(state, due_by, current),
        publish_enabled=settings.ENV.publish_enabled,
        last_error=error,
        last_error_version=failed.version if failed else None,
        has_failed=has_failed,
    )


def _overdue_since(
    state: str, due_by: datetime, current: Release | None
) -> datetime | None:
    """Return since when a pool is late or stale; None of another one.

    One that stands in for a withdrawn release is stale before the next one is due.
    """
    if current is None or state not in {"late", "stale"}:
        return None
    newest = current.as_of_date + timedelta(days=pool_config.DEFAULT.max_age_days)
    return min(due_by, completed_at(newest))


def _why_none(as_of: date) -> tuple[str, bool]:
    """Return why there is no release at all, and whether something has failed."""
    if not settings.ENV.publish_enabled:
        return "publishing is off; PUBLISH_ENABLED=true switches it on", False
    try:
        missing = coins.missing(as_of)
    except TapeError as error:
        return str(error), True
    if missing:
        return missing, False
    if trouble := _last_trouble():
        return trouble, True
    return "the daily candles are there; the first release is being built", False


def _last_trouble() -> str:
    try:
        return str(cache.get(_FIRST) or "")
    except RedisError:  # the page works without the cache, with fewer details
        return ""


def raise_alarm() -> PoolStatus:
    """Log an error when consumers are, or soon will be, without a fresh pool."""
    found = status()
    if found.state in {"late", "stale"}:
        log.error(
            "livepool.overdue",
            state=found.state,
            version=found.version,
            age_days=found.age_days,
            expected_by=(found.overdue_since or found.next_expected_by).isoformat(),
            last_error=found.last_error,
        )
    return found
