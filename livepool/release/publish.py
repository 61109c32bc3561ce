"""Publish a release: objects, pointers, then the document; all or nothing.

Steps, each of which may be repeated: 1. validate the files; 2. claim the row;
3. create the versioned objects and read them back; 4. point `current` at them;
5. write the document with a precondition; 6. mark the row. A failure before 5 leaves
consumers on the previous release; the next run finishes or cleans up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog
from django.conf import settings

from core import clock
from core.files import write_file
from core.texts import message_of
from livepool import artifacts
from livepool.artifacts import MANIFEST, RELEASE_MANIFEST, SIGNATURE
from livepool.errors import PublishError
from livepool.model import parameters
from livepool.models import Release
from livepool.pool_change import PoolChange
from livepool.release import document, rules, signing
from livepool.release.consumer_check import check_as_consumer
from livepool.release.document import SummaryDocument
from livepool.release.publisher_lock import only_publisher
from livepool.release.release_files import ReleaseFiles
from livepool.release.release_rows import Notes, claim_release, mark_published
from livepool.stores import ConflictError, Document, StoreError, Stores
from livepool.stores.site import site_stores

log = structlog.get_logger(__name__)

Status = Release.Status


@dataclass(frozen=True, kw_only=True)
class Publication(PoolChange):
    """The result of a publication, or the expected result of a dry run."""

    dry_run: bool
    changed: bool


def expectations(
    *, mode: str | None = None, allow_stale: bool = False
) -> rules.Expectations:
    """Return what the files of a release must be to be published now."""
    config = parameters.DEFAULT
    return rules.Expectations(
        reference_date=clock.now().date(),
        mode=mode,
        source_project=parameters.SOURCE_PROJECT,
        pool_size=config.ranking.pool_size,
        max_age_days=config.max_age_days,
        require_freshness=not allow_stale,
    )


def publish(
    *,
    folder: Path,
    mode: str | None = None,
    dry_run: bool = False,
    revise: bool = False,
    reason: str = "",
    actor: str = "",
    allow_stale: bool = False,
    refused: Mapping[str, str] = MappingProxyType({}),
    stores: Stores | None = None,
) -> Publication:
    """Publish the release in `folder`; a dry run builds everything and touches nothing.

    Without PUBLISH_ENABLED every run is a dry run. Publishing the same bytes again
    changes nothing; other bytes of a published version need `revise` and a `reason`,
    and the replaced files are archived. `refused` tells the page why coins are not in
    the universe. Raises ReleaseContractError listing all violations, PublishError or
    BusyError for a refusal, StoreError when a store fails.
    """
    if revise and not reason:
        raise PublishError("a revision needs a reason; give one")
    stores = stores or site_stores()
    dry_run = dry_run or not settings.ENV.publish_enabled
    files = _validated(folder, expectations(mode=mode, allow_stale=allow_stale))
    payload = document.summary(files.pool, stores.releases, generated_at=clock.now())
    manifest = document.release_manifest(
        payload,
        stores.releases,
        dry_run=dry_run,
        publish_enabled=settings.ENV.publish_enabled,
        address=stores.documents.address(),
    )
    write_file(folder / RELEASE_MANIFEST, artifacts.to_json(manifest))
    if dry_run:
        current = Release.objects.current()
        return _publication(
            payload,
            previous=current.symbols if current else (),
            previous_version=current.version if current else "",
            dry_run=True,
            changed=False,
        )
    with only_publisher():
        return _publish(
            files,
            payload,
            stores,
            folder,
            revise=revise,
            notes={"reason": reason, "actor": actor, "refused": dict(refused)},
        )


def _validated(folder: Path, expected: rules.Expectations) -> ReleaseFiles:
    """Read the files to publish, check them, and sign them if the site signs."""
    data = artifacts.read_files(folder)
    data.pop(SIGNATURE, None)  # left by an earlier publication
    files = ReleaseFiles(data)
    rules.validate(files, expected, where=str(folder)).raise_for_errors()
    if settings.ENV.livepool_signing_key_file:
        key_file = Path(settings.ENV.livepool_signing_key_file)
        signature = signing.sign(files.data[MANIFEST], key_file=key_file)
        write_file(folder / SIGNATURE, signature)
        files.data[SIGNATURE] = signature
    return files


def _publish(
    files: ReleaseFiles,
    payload: SummaryDocument,
    stores: Stores,
    folder: Path,
    *,
    revise: bool,
    notes: Notes,
) -> Publication:
    version = payload["version"]
    before = stores.documents.read()
    _refuse_backwards(before, payload)
    row, resumed = claim_release(
        files, storage_prefix=payload["storage_prefix"], revise=revise, notes=notes
    )
    is_done = row.status == Status.PUBLISHED
    try:
        archived = _put_objects(
            stores, version, files.data, may_replace=revise or (resumed and not is_done)
        )
        stores.releases.point_current(version, files.data)
        is_announced = before is not None and _is_same(before.payload, payload)
        if not (is_done and is_announced):
            stores.documents.write(payload, expected=before)
        check_as_consumer(stores, version)
    except (StoreError, PublishError) as error:
        if not is_done:
            Release.objects.filter(pk=row.pk).update(
                status=Status.FAILED, error=message_of(error)
            )
        log.error(  # noqa: TRY400  expected and raised on: the message says all
            "livepool.publish_failed", version=version, error=message_of(error)
        )
        raise
    if not is_done:
        mark_published(row, archived_to=archived)
        write_file(
            folder / "monthly" / f"{version}.json",
            artifacts.to_json(document.heartbeat(payload)),
        )
    publication = _publication(
        payload,
        previous=before.payload.get("symbols", ()) if before else (),
        previous_version=before.payload.get("version", "") if before else "",
        dry_run=False,
        changed=not is_done,
    )
    log.info(
        "livepool.published",
        version=version,
        symbols=payload["symbols"],
        changed=publication.changed,
        entered=list(publication.entered),
        left=list(publication.left),
    )
    return publication


def _publication(
    payload: SummaryDocument,
    *,
    previous: Any,
    previous_version: str,
    dry_run: bool,
    changed: bool,
) -> Publication:
    return Publication(
        version=payload["version"],
        symbols=tuple(payload["symbols"]),
        previous=tuple(previous) if isinstance(previous, (list, tuple)) else (),
        previous_version=previous_version,
        dry_run=dry_run,
        changed=changed,
    )


def _refuse_backwards(before: Document | None, payload: SummaryDocument) -> None:
    newest = before.payload.get("as_of_date", "") if before else ""
    if not isinstance(newest, str):
        raise StoreError(f"the document's as_of_date was {newest!r:.60}, not a date")
    if newest > payload["as_of_date"]:
        raise PublishError(
            f"the document is at {newest}, later than {payload['as_of_date']}; "
            "publishing never goes back, `rollback_live_pool` does"
        )


def _put_objects(
    stores: Stores, version: str, files: Mapping[str, bytes], *, may_replace: bool
) -> str:
    try:
        stores.releases.create_release(version, files)
    except ConflictError:
        if not may_replace:
            raise
        return stores.releases.replace_release(version, files)
    return ""


def _is_same(payload: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    keys = (payload.keys() | other.keys()) - {"generated_at"}
    return all(payload.get(key) == other.get(key) for key in keys)
