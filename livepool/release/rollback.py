"""Make an earlier version current again: its files, then the document."""

from dataclasses import dataclass

import structlog
from django.db import transaction

from core import clock
from livepool.artifacts import FILES
from livepool.errors import PublishError, RollbackError
from livepool.models import Release
from livepool.release import document, publish, rules
from livepool.stores import Stores
from livepool.stores.site import site_stores

log = structlog.get_logger(__name__)

Status = Release.Status


@dataclass(frozen=True)
class Rollback:
    """What changes for consumers when `version` becomes current."""

    version: str
    symbols: tuple[str, ...]
    previous_version: str
    previous: tuple[str, ...]
    age_days: int

    @property
    def entered(self) -> tuple[str, ...]:
        return tuple(s for s in self.symbols if s not in self.previous)

    @property
    def left(self) -> tuple[str, ...]:
        return tuple(s for s in self.previous if s not in self.symbols)


def _verified(
    version: str, stores: Stores, *, allow_stale: bool
) -> tuple[dict[str, bytes], rules.Report]:
    files = stores.releases.read_release(version)
    if not files:
        known = Release.objects.ever_published().newest_first()
        names = ", ".join(known.values_list("version", flat=True)[:12]) or "none"
        raise RollbackError(f"{version!r} is not in the store; known are: {names}")
    report = rules.validate(
        files, publish.expectations(allow_stale=allow_stale), where=version
    )
    if not report.ok:
        raise RollbackError(f"{version} cannot be used: {'; '.join(report.errors)}")
    return files, report


def preview(
    *, version: str, allow_stale: bool = False, stores: Stores | None = None
) -> Rollback:
    """Verify the stored files of `version` and say what a rollback would change."""
    stores = stores or site_stores()
    _, report = _verified(version, stores, allow_stale=allow_stale)
    before = stores.documents.read()
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

    Newer published versions become WITHDRAWN with `reason`, so that the schedule does
    not bring them back. A release beyond its age needs `allow_stale`. Raises
    RollbackError or BusyError for a refusal, StoreError when a store fails; until the
    document is written, consumers stay where they were.
    """
    if not reason:
        raise RollbackError("a rollback needs a reason; give one")
    stores = stores or site_stores()
    with publish.only_publisher():
        planned = preview(version=version, allow_stale=allow_stale, stores=stores)
        files, _ = _verified(version, stores, allow_stale=allow_stale)
        before = stores.documents.read()
        payload = document.summary(files, stores.releases, generated_at=clock.now())
        stores.releases.point_current(version, files)
        stores.documents.write(payload, expected=before)
        try:
            publish.verify_with_consumer(stores, version)
        except PublishError as error:
            raise RollbackError(str(error)) from error
        _mark(files, payload["storage_prefix"], reason=reason, actor=actor)
    log.warning(
        "livepool.rolled_back",
        version=version,
        previous=planned.previous_version,
        reason=reason,
        actor=actor,
    )
    return planned


def _mark(
    files: dict[str, bytes], storage_prefix: str, *, reason: str, actor: str
) -> None:
    """Rows follow the store; a version that only the store knows gets its row."""
    now = clock.now()
    facts = publish.describe(files, storage_prefix=storage_prefix)
    told = {"reason": reason, "actor": actor}
    shown = {"status": Status.PUBLISHED, "activated_at": now, "error": "", **told}
    same_day = {"mode": facts["mode"], "as_of_date": facts["as_of_date"]}
    with transaction.atomic():
        Release.objects.published().filter(as_of_date__gt=facts["as_of_date"]).update(
            status=Status.WITHDRAWN, **told
        )
        row = (
            Release.objects.filter(**same_day, checksums=facts["checksums"])
            .newest_first()
            .first()
        )
        if row is None:
            Release.objects.create(**facts, created_at=now, published_at=now, **shown)
        else:
            Release.objects.filter(pk=row.pk).update(**shown)


def files_of(version: str, stores: Stores | None = None) -> dict[str, bytes]:
    """The stored files of a version, for download; empty when it is unknown."""
    found = (stores or site_stores()).releases.read_release(version)
    return {name: found[name] for name in FILES.values() if name in found}
