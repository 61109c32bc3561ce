"""Make an earlier version current again: its files, then the document."""

from dataclasses import dataclass
from typing import Any

import structlog
from django.contrib.admin.models import CHANGE

from core import audit, clock
from livepool.artifacts import FILES
from livepool.errors import PublishError, RollbackError
from livepool.models import Release
from livepool.pool_change import PoolChange
from livepool.release import document, publish, rules
from livepool.release.consumer_check import check_as_consumer
from livepool.release.publisher_lock import only_publisher
from livepool.release.release_files import ReleaseFiles
from livepool.release.release_rows import mark_rolled_back
from livepool.stores import Document, Stores
from livepool.stores.site import site_stores

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rollback(PoolChange):
    """The change for consumers when `version`, of this age, becomes current."""

    age_days: int


def preview(
    *, version: str, allow_stale: bool = False, stores: Stores | None = None
) -> Rollback:
    """Check the stored files of `version`; return what a rollback would change."""
    stores = stores or site_stores()
    _, report = _validated(version, stores, allow_stale=allow_stale)
    return _plan(version, report, stores.documents.read())


def _validated(
    version: str, stores: Stores, *, allow_stale: bool
) -> tuple[ReleaseFiles, rules.Report]:
    files = ReleaseFiles(stores.releases.read_release(version))
    if not files.data:
        known = Release.objects.ever_published().newest_first()
        names = ", ".join(known.values_list("version", flat=True)[:12]) or "none"
        raise RollbackError(f"{version!r} is not in the store; known are: {names}")
    report = rules.validate(
        files, publish.expectations(allow_stale=allow_stale), where=version
    )
    if not report.ok:
        raise RollbackError(f"{version} cannot be used: {'; '.join(report.errors)}")
    return files, report


def _plan(version: str, report: rules.Report, before: Document | None) -> Rollback:
    payload = before.payload if before else {}
    return Rollback(
        version=version,
        symbols=tuple(report.symbols),
        previous_version=payload.get("version", ""),
        previous=tuple(payload.get("symbols", ())),
        age_days=report.age_days or 0,
    )


def rollback(
    *,
    version: str,
    reason: str,
    actor: str = "",
    allow_stale: bool = False,
    stores: Stores | None = None,
) -> Rollback:
    """Make `version` current again, from its stored and verified files.

    Newer versions that readers saw become WITHDRAWN with `reason`, so that the schedule
    does not bring them back. A release beyond its age needs `allow_stale`. Raises
    RollbackError or BusyError for a refusal, StoreError when a store fails; until the
    document is written, consumers stay where they were.
    """
    if not reason:
        raise RollbackError("a rollback needs a reason; give one")
    stores = stores or site_stores()
    with only_publisher():
        files, report = _validated(version, stores, allow_stale=allow_stale)
        before = stores.documents.read()
        done = _plan(version, report, before)
        payload = document.summary(
            files.pool, stores.releases, generated_at=clock.now()
        )
        stores.releases.point_current(version, files.data)
        stores.documents.write(payload, expected=before)
        try:
            check_as_consumer(stores, version)
        except PublishError as error:
            raise RollbackError(str(error)) from error
        mark_rolled_back(
            files,
            storage_prefix=payload["storage_prefix"],
            previous_version=done.previous_version,
            reason=reason,
            actor=actor,
        )
    log.warning(
        "livepool.rolled_back",
        version=version,
        previous=done.previous_version,
        reason=reason,
        actor=actor,
    )
    return done


def roll_back_as(
    user: Any, *, version: str, reason: str, allow_stale: bool = False
) -> Rollback:
    """Make `version` current again for a user, and write the trail."""
    done = rollback(
        version=version,
        reason=reason,
        actor=user.get_username(),
        allow_stale=allow_stale,
    )
    releases = Release.objects.ever_published().filter(version=done.version)
    newest = list(releases.newest_first()[:1])
    audit.note(user, newest, flag=CHANGE, what=in_words(done, reason))
    return done


def in_words(done: Rollback, reason: str) -> str:
    """Return what a rollback did, in one sentence."""
    return f"Rolled back from {done.previous_version} to {done.version}: {reason}"


def files_of(version: str, stores: Stores | None = None) -> dict[str, bytes]:
    """Return the stored files of a version; empty if it is unknown."""
    found = (stores or site_stores()).releases.read_release(version)
    return {name: found[name] for name in FILES.values() if name in found}
