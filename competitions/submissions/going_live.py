"""End a version's check: live in its model's place, or refused; back if it breaks.

The rows decide. A version that was refused after it may have taken its model's place
leaves it in a second step, which is done again until it was done.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from competitions.local_models import control, model_folders, submission
from competitions.local_models.control import ControlError
from competitions.local_models.trees import remove_tree, take_away
from competitions.models import SubmittedVersion
from competitions.submissions.site_bench import submitted_folder
from core import clock
from core.only_one import one_after_another
from core.texts import readable

log = structlog.get_logger(__name__)

Status = SubmittedVersion.Status
# A version that is quarantined within this time gives way to the one before.
PROBATION = timedelta(hours=1)
# Contents without a row are drafts of requests that died.
ORPHAN_S = 3600.0
# Held to the end of the transaction: one process at a time changes models' places.
_PLACING = 0x5AB319


def go_live(row: SubmittedVersion, result: dict[str, Any]) -> bool:
    """Put a version that passed in its model's place; the one before is REPLACED.

    Returns False when a newer attempt has taken over. What was killed in the middle is
    done again: the same content takes the same place. The result, which is kept first,
    says that it has passed, and may be in its place already.
    """
    now = clock.now()
    _of_attempt(row).update(result=result)
    with transaction.atomic():
        one_after_another(_PLACING)
        _of_model(row).filter(status=Status.LIVE).update(status=Status.REPLACED)
        is_first = _of_attempt(row).update(
            status=Status.LIVE, checked_at=now, live_at=now, reason=""
        )
        if is_first:
            _put(row)
        transaction.set_rollback(not is_first)
    if is_first:
        log.info("submission.live", model=row.model_id, version=row.version)
        _drop_older(row)
    return bool(is_first)


def refuse(
    row: SubmittedVersion, code: str, reason: str, result: dict[str, Any] | None = None
) -> bool:
    """Refuse a version; the one before runs on. Returns False for an old attempt.

    `clear_refused` removes its files.
    """
    found = {} if result is None else {"result": result}
    is_first = _of_attempt(row).update(
        status=Status.REFUSED,
        code=code,
        reason=readable(reason),
        checked_at=clock.now(),
        **found,
    )
    if is_first:
        log.info("submission.refused", model=row.model_id, code=code, reason=reason)
    return bool(is_first)


@transaction.atomic
def refuse_those_of(account: int) -> int:
    """Refuse what a key that was revoked has submitted and waits; returns how many.

    `account` is the key's. Also a version whose check has begun does not go live.
    """
    entries = LogEntry.objects.filter(
        user=account,
        action_flag=ADDITION,
        content_type=ContentType.objects.get_for_model(SubmittedVersion),
    )
    pks = [int(pk) for pk in entries.values_list("object_id", flat=True) if pk]
    rows = SubmittedVersion.objects.waiting().filter(pk__in=pks).select_for_update()
    why = "the key that submitted it was revoked before its check had ended"
    return sum(refuse(row, "key_revoked", why) for row in rows)


def roll_back_broken() -> int:
    """Let the version before take over from each new one that was quarantined.

    `clear_refused` puts it in its place.
    """
    since = clock.now() - PROBATION
    rows = SubmittedVersion.objects.filter(status=Status.LIVE, live_at__gte=since)
    if not rows.exists():
        return 0
    quarantined = {
        (each.model_id, each.code_hash): each.error
        for each in control.status(settings.MODELS_LOG_DIR)
        if each.state == "QUARANTINED"
    }
    broken = [row for row in rows if (row.model_id, row.code_hash) in quarantined]
    return sum(
        _roll_back(row, quarantined[row.model_id, row.code_hash]) for row in broken
    )


def _roll_back(row: SubmittedVersion, reason: str) -> bool:
    before = (
        _of_model(row)
        .kept()
        .filter(status=Status.REPLACED, version__lt=row.version)
        .order_by("version")
        .last()
    )
    if before is None or not (_content(before) / "main.py").is_file():
        return False  # there is nothing better; its status says what is wrong
    with transaction.atomic():
        is_first = SubmittedVersion.objects.filter(
            pk=row.pk, status=Status.LIVE
        ).update(
            status=Status.REFUSED,
            code="quarantined_live",
            reason=readable(reason) or "it was quarantined",
        )
        if not is_first:
            return False
        SubmittedVersion.objects.filter(pk=before.pk).update(status=Status.LIVE)
    log.warning("submission.rolled_back", model=row.model_id, to=before.version)
    return True


def clear_refused() -> int:
    """Remove the files of refused versions, also from their places; returns a count.

    One that was live, or was killed on its way there, may be in its model's place: the
    version that is live gets it, or nobody. Where that fails, the next call tries
    again.
    """
    rows = SubmittedVersion.objects.kept().filter(status=Status.REFUSED)
    return sum(_clear_alone(row) for row in rows)


def _clear_alone(row: SubmittedVersion) -> bool:
    """Clear one version's files; where that fails, others go on."""
    try:
        with transaction.atomic():
            one_after_another(_PLACING)
            if _is_in_place(row):
                _give_place_back(row)
            SubmittedVersion.objects.filter(pk=row.pk).update(content="")
    except (ControlError, OSError):
        log.exception("submission.not_cleared", model=row.model_id)
        return False
    remove_tree(_content(row))
    return True


def _is_in_place(row: SubmittedVersion) -> bool:
    """Return whether a version that has passed its check is in its model's place.

    An operator may have put the same code there; what never passed did not replace it.
    """
    place = settings.LOCAL_MODELS_DIR / row.model_id
    if not (row.result or {}).get("is_fit") or not place.is_dir():
        return False
    return submission.read(place).code_hash == row.code_hash


def _give_place_back(row: SubmittedVersion) -> None:
    live = _of_model(row).filter(status=Status.LIVE).first()
    if live is None:
        take_away(settings.LOCAL_MODELS_DIR / row.model_id)
    else:
        _put(live)


def _content(row: SubmittedVersion) -> Path:
    return submitted_folder() / row.content


def prune_contents() -> int:
    """Remove contents without a version, an hour after they came; returns a count."""
    kept = set(SubmittedVersion.objects.kept().values_list("content", flat=True))
    gone = 0
    for folder in submitted_folder().iterdir():
        try:
            age_s = clock.wall_now().timestamp() - folder.lstat().st_mtime
        except OSError:
            continue
        if folder.name not in kept and age_s > ORPHAN_S:
            remove_tree(folder)
            gone += 1
    return gone


def _put(row: SubmittedVersion) -> None:
    model_folders.replace_model(
        models_dir=settings.LOCAL_MODELS_DIR,
        source=_content(row),
        model_id=row.model_id,
    )


def _drop_older(row: SubmittedVersion) -> None:
    """Drop the contents of a model's versions before the one that this replaced."""
    replaced = _of_model(row).kept().filter(status=Status.REPLACED)
    for old in replaced.order_by("-version")[1:]:
        SubmittedVersion.objects.filter(pk=old.pk).update(content="")
        remove_tree(_content(old))


def _of_model(row: SubmittedVersion) -> Any:
    return SubmittedVersion.objects.filter(
        competition=row.competition_id, model_id=row.model_id
    )


def _of_attempt(row: SubmittedVersion) -> Any:
    """Return the row if no other attempt has ended it or begun since."""
    return SubmittedVersion.objects.waiting().filter(pk=row.pk, attempts=row.attempts)
