"""Keep the rows of releases in the database in line with the stores."""

from collections.abc import Mapping
from datetime import date
from typing import Any, NotRequired, TypedDict

from django.db import transaction
from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from core import clock
from core.facts import Fact, FactKind, announce
from livepool.errors import PublishError
from livepool.models import Release
from livepool.release.ranking_rules import number_in
from livepool.release.release_files import ReleaseFiles

Status = Release.Status
MOST_TOLD = 200  # symbols named in the fact that a pool is current
_NUMBERS = ("rule_score", "linear_score", "ml_score", "final_score", "confidence")


class Notes(TypedDict):
    """Who acted and why; and why coins are not in the universe, if known."""

    reason: str
    actor: str
    refused: NotRequired[dict[str, str]]


def describe_release(files: ReleaseFiles, *, storage_prefix: str) -> dict[str, Any]:
    """Return the columns of a release that follow from its files."""
    pool, ranking = files.pool, files.ranking()
    return {
        "version": pool["version"],
        "mode": pool["mode"],
        "as_of_date": date.fromisoformat(pool["as_of_date"]),
        "source_project": pool["source_project"],
        "symbols": pool["symbols"],
        "symbol_map": pool["symbol_map"],
        "universe": files.universe["symbols"],
        "ranking": [_typed(row) for row in ranking],
        "regime": ranking[0]["regime"],
        "checksums": files.checksums(),
        "storage_prefix": storage_prefix,
    }


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    place = number_in(row["current_rank"])
    return {
        **row,
        **{key: number_in(row[key]) for key in _NUMBERS},
        "selected_flag": row["selected_flag"] == "True",
        "current_rank": None if place is None else int(place),
    }


def claim_release(
    files: ReleaseFiles, *, storage_prefix: str, revise: bool, notes: Notes
) -> tuple[Release, bool]:
    """Return the row to publish, and whether an earlier attempt has begun on it.

    Raises PublishError for a version that was withdrawn, or published with other bytes
    unless it is to be revised.
    """
    facts = describe_release(files, storage_prefix=storage_prefix)
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


def mark_published(row: Release, *, archived_to: str) -> None:
    """Mark a row as published, and the revisions before it as replaced."""
    now = clock.now()
    with transaction.atomic():
        Release.objects.filter(
            mode=row.mode,
            as_of_date=row.as_of_date,
            revision__lt=row.revision,
            status__in=[Status.PUBLISHED, Status.WITHDRAWN],
        ).update(status=Status.REVISED, archived_to=archived_to)
        Release.objects.filter(pk=row.pk).update(
            status=Status.PUBLISHED, error="", published_at=now, activated_at=now
        )
        announce(_told(FactKind.RELEASE_PUBLISHED, row.version, row.mode, row.symbols))


def mark_rolled_back(
    files: ReleaseFiles,
    *,
    storage_prefix: str,
    previous_version: str,
    reason: str,
    actor: str,
) -> None:
    """Make the files' row current, and mark newer ones that readers saw as withdrawn.

    They saw what was published, and `previous_version`, which the document named: its
    publication may have failed, or died, after that. A version that exists only in the
    store gets a row.
    """
    now = clock.now()
    facts = describe_release(files, storage_prefix=storage_prefix)
    notes: Notes = {"reason": reason, "actor": actor}
    seen = {"published_at": Coalesce("published_at", Value(now))}
    current = {"status": Status.PUBLISHED, "activated_at": now, "error": "", **notes}
    same_day = Release.objects.filter(
        mode=facts["mode"], as_of_date=facts["as_of_date"]
    )
    is_unfinished = Q(
        version=previous_version, status__in=[Status.PENDING, Status.FAILED]
    )
    with transaction.atomic():
        Release.objects.filter(
            Q(status=Status.PUBLISHED) | is_unfinished,
            as_of_date__gt=facts["as_of_date"],
        ).update(status=Status.WITHDRAWN, **seen, **notes)
        newest = same_day.newest_first().first()
        row = same_day.filter(checksums=facts["checksums"]).newest_first().first()
        same_day.filter(status__in=[Status.PUBLISHED, Status.WITHDRAWN]).update(
            status=Status.REVISED
        )
        if row is None:
            revision = newest.revision + 1 if newest else 0
            instants = {"created_at": now, "published_at": now}
            Release.objects.create(**facts, **current, **instants, revision=revision)
        else:
            Release.objects.filter(pk=row.pk).update(**current, **seen)
        announce(
            _told(
                FactKind.RELEASE_ROLLED_BACK,
                facts["version"],
                facts["mode"],
                facts["symbols"],
            )
        )


def _told(kind: FactKind, version: str, mode: str, symbols: list[str]) -> Fact:
    told = symbols[:MOST_TOLD]
    payload = {"version": version, "mode": mode, "symbols": told, "count": len(symbols)}
    return Fact(kind, payload=payload)
