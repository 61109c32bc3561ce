"""Publish a release: objects, then pointers, then the document; never half, never back.

Steps, each of which may be repeated: 1. validate the files; 2. claim the row;
3. create the versioned objects and read them back; 4. point `current` at them;
5. write the document with a precondition; 6. mark the row. A failure before 5 leaves
consumers on the previous release; the next run finishes or cleans up.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction

from core import clock
from core.files import write_file
from core.texts import message_of
from livepool import artifacts
from livepool.artifacts import FILES, MANIFEST, RELEASE_MANIFEST, SIGNATURE
from livepool.errors import BusyError, PublishError
from livepool.model import parameters as pool_config
from livepool.models import Release
from livepool.reader import Reader
from livepool.release import document, rules, signing
from livepool.stores import ConflictError, Document, StoreError, Stores
from livepool.stores.site import site_stores

log = structlog.get_logger(__name__)

_LOCK = 0x6C697665706F6F6C  # "livepool"; one publisher at a time in this database
Status = Release.Status


@dataclass(frozen=True)
class Publication:
    """What a publication did, or in a dry run would do."""

    version: str
    symbols: tuple[str, ...]
    previous: tuple[str, ...]
    previous_version: str
    dry_run: bool
    changed: bool

    @property
    def entered(self) -> tuple[str, ...]:
        return tuple(s for s in self.symbols if s not in self.previous)

    @property
    def left(self) -> tuple[str, ...]:
        return tuple(s for s in self.previous if s not in self.symbols)


@contextmanager
def only_publisher() -> Iterator[None]:
    """Be the only publisher; raises BusyError at once when another one is at work."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise BusyError("another publisher is at work; try again when it is done")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def expectations(
    *,
    mode: str | None = None,
    allow_stale: bool = False,
    require_manifest: bool = False,
) -> rules.Expectations:
    config = pool_config.DEFAULT
    return rules.Expectations(
        reference_date=clock.now().date(),
        mode=mode,
        source_project=pool_config.SOURCE_PROJECT,
        pool_size=config.ranking.pool_size,
        max_age_days=config.max_age_days,
        require_freshness=not allow_stale,
        require_manifest=require_manifest,
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
    and what they replace is archived. `refused` says for the page why coins are not in
    the universe. Raises ContractError listing all violations,
    PublishError or BusyError for a refusal, StoreError when a store fails.
    """
    if revise and not reason:
        raise PublishError("a revision needs a reason; give one")
    stores = stores or site_stores()
    dry_run = dry_run or not settings.ENV.publish_enabled
    files = artifacts.read_files(folder)
    files.pop(SIGNATURE, None)
    rules.validate(
        files, expectations(mode=mode, allow_stale=allow_stale), where=str(folder)
    ).raise_for_errors()
    if settings.ENV.livepool_signing_key_file:
        key_file = Path(settings.ENV.livepool_signing_key_file)
        files[SIGNATURE] = signing.sign(files[MANIFEST], key_file=key_file)
        write_file(folder / SIGNATURE, files[SIGNATURE])
    payload = document.summary(files, stores.releases, generated_at=clock.now())
    manifest = document.release_manifest(
        payload,
        stores.releases,
        dry_run=dry_run,
        publish_enabled=settings.ENV.publish_enabled,
        address=stores.documents.address(),
    )
    write_file(folder / RELEASE_MANIFEST, artifacts.to_json(manifest))
    rules.validate_folder(
        folder,
        expectations(mode=mode, allow_stale=allow_stale, require_manifest=True),
    ).raise_for_errors()
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


def _publish(
    files: dict[str, bytes],
    payload: dict[str, Any],
    stores: Stores,
    folder: Path,
    *,
    revise: bool,
    notes: dict[str, Any],
) -> Publication:
    version = payload["version"]
    before = stores.documents.read()
    _refuse_backwards(before, payload)
    row, resumed = _claim(files, payload, revise=revise, notes=notes)
    done = row.status == Status.PUBLISHED
    try:
        archived = _put_objects(
            stores, version, files, may_replace=revise or (resumed and not done)
        )
        stores.releases.point_current(version, files)
        announced = before is not None and _same(before.payload, payload)
        if not (done and announced):
            stores.documents.write(payload, expected=before)
        verify_with_consumer(stores, version)
    except (StoreError, PublishError) as error:
        if not done:
            Release.objects.filter(pk=row.pk).update(
                status=Status.FAILED, error=message_of(error)
            )
        log.error(  # noqa: TRY400  expected and raised on: the message says all
            "livepool.publish_failed", version=version, error=message_of(error)
        )
        raise
    if not done:
        _mark_published(row, archived)
        write_file(
            folder / "monthly" / f"{version}.json",
            artifacts.to_json(document.heartbeat(payload)),
        )
    publication = _publication(
        payload,
        previous=before.payload.get("symbols", ()) if before else (),
        previous_version=before.payload.get("version", "") if before else "",
        dry_run=False,
        changed=not done,
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
    payload: Mapping[str, Any],
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


def _refuse_backwards(before: Document | None, payload: Mapping[str, Any]) -> None:
    newest = before.payload.get("as_of_date", "") if before else ""
    if not isinstance(newest, str):
        raise StoreError(f"the document's as_of_date was {newest!r:.60}, not a date")
    if newest > payload["as_of_date"]:
        raise PublishError(
            f"the document is at {newest}, later than {payload['as_of_date']}; "
            "publishing never goes back, `rollback_live_pool` does"
        )


def _claim(
    files: Mapping[str, bytes],
    payload: Mapping[str, Any],
    *,
    revise: bool,
    notes: dict[str, Any],
) -> tuple[Release, bool]:
    """The row to publish, and whether an earlier attempt left it unfinished."""
    facts = describe(files, storage_prefix=payload["storage_prefix"])
    key = {"mode": facts["mode"], "as_of_date": facts["as_of_date"]}
    row = Release.objects.filter(**key).newest_first().first()
    if row is None:
        return Release.objects.create(**facts, **notes, created_at=clock.now()), False
    same = row.checksums == facts["checksums"]
    if row.status in {Status.PENDING, Status.FAILED}:
        values = {**facts, **notes, "status": Status.PENDING, "error": ""}
        Release.objects.filter(pk=row.pk).update(**values)
        row.refresh_from_db()
        return row, True
    if row.status == Status.WITHDRAWN and same:
        raise PublishError(
            f"{row.version} was withdrawn ({row.reason}); "
            "`rollback_live_pool` brings it back"
        )
    if same:
        return row, True
    if not revise:
        raise PublishError(
            f"{row.version} is published with other bytes; "
            "publish it with --revise and a reason, or leave it"
        )
    revision = {"revision": row.revision + 1, "created_at": clock.now()}
    return Release.objects.create(**facts, **notes, **revision), True


def describe(files: Mapping[str, bytes], *, storage_prefix: str) -> dict[str, Any]:
    """What the row of a release says about its files."""
    pool = json.loads(files[FILES["live_pool"]])
    universe = json.loads(files[FILES["latest_universe"]])
    text = files[FILES["latest_ranking"]].decode()
    ranking = list(csv.DictReader(io.StringIO(text)))
    return {
        "version": pool["version"],
        "mode": pool["mode"],
        "as_of_date": date.fromisoformat(pool["as_of_date"]),
        "source_project": pool["source_project"],
        "symbols": pool["symbols"],
        "symbol_map": pool["symbol_map"],
        "universe": universe["symbols"],
        "ranking": [_typed(row) for row in ranking],
        "regime": ranking[0]["regime"],
        "checksums": {name: artifacts.sha256(files[name]) for name in sorted(files)},
        "storage_prefix": storage_prefix,
    }


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    place = rules.number(row["current_rank"])
    numbers = ("rule_score", "linear_score", "ml_score", "final_score", "confidence")
    return {
        **row,
        **{key: rules.number(row[key]) for key in numbers},
        "selected_flag": row["selected_flag"] == "True",
        "current_rank": None if place is None else int(place),
    }


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


def _same(payload: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    keys = (payload.keys() | other.keys()) - {"generated_at"}
    return all(payload.get(key) == other.get(key) for key in keys)


def _mark_published(row: Release, archived: str) -> None:
    now = clock.now()
    with transaction.atomic():
        Release.objects.filter(
            mode=row.mode,
            as_of_date=row.as_of_date,
            revision__lt=row.revision,
            status__in=[Status.PUBLISHED, Status.WITHDRAWN],
        ).update(status=Status.REVISED, archived_to=archived)
        Release.objects.filter(pk=row.pk).update(
            status=Status.PUBLISHED, error="", published_at=now, activated_at=now
        )


def verify_with_consumer(stores: Stores, version: str) -> None:
    """Read the document as a consumer does; raises PublishError if it refuses it."""

    files = stores.releases.read_release(version)
    found = stores.documents.read()
    reader = Reader(
        max_age_days=100_000,
        acceptable_modes=tuple(pool_config.PROFILES),
        expected_size=None,
        fetch=lambda uri: files[uri.rpartition("/")[2]],
        today=lambda: clock.now().date(),
    )
    pool = reader.load(lambda: found.payload if found else None)
    if pool.degraded or pool.version != version:
        raise PublishError(
            f"a consumer does not accept {version}: {'; '.join(pool.messages)}"
        )
