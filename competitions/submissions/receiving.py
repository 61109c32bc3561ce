"""Receive a version of a model: checked as a file, counted, put into quarantine."""

import secrets
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.contrib.admin.models import ADDITION
from django.db import transaction
from django.db.models import Max

from competitions.local_models import model_folders, submission
from competitions.local_models.trees import remove_tree
from competitions.local_models.upload import unpacked
from competitions.models import (
    Competition,
    Cruncher,
    ParticipantModel,
    SubmittedVersion,
)
from competitions.submissions.errors import ModelTakenError, SubmissionsClosedError
from competitions.submissions.quota import quota_of
from competitions.submissions.site_bench import site_bench, submitted_folder
from core import audit, clock
from core.only_one import one_after_another
from core.texts import brief, one_line

# Held to the end of the transaction: two that come at once are counted one by one.
_RECEIVING = 0x5AB317


def receive(
    *,
    cruncher: Cruncher,
    file: BinaryIO,
    file_name: str,
    model_id: str = "",
    message: str = "",
    user: Any,
) -> SubmittedVersion:
    """Take a `main.py`, or a zip of its folder, as a model's next version, QUEUED.

    The model is the file's name by default. Nothing is run or imported. What is refused
    leaves nothing, and does not count. Raises SubmissionsClosedError, ModelTakenError,
    QuotaUsedUpError, and ControlError for a file that is no model.
    """
    require_open(cruncher.competition)
    quota_of(cruncher).require()  # before the work
    model_id = model_id or Path(file_name).stem
    model_folders.require_id(model_id)
    quarantine, content = submitted_folder(), secrets.token_hex(16)
    with unpacked(
        file=file, file_name=file_name, cruncher=cruncher.cruncher_id
    ) as folder:
        model_folders.add(
            models_dir=quarantine,
            source=folder,
            model_id=content,
            called=brief(file_name),
        )
    try:
        with transaction.atomic():
            return _recorded(cruncher, model_id, quarantine / content, message, user)
    except BaseException:
        remove_tree(quarantine / content)
        raise


def require_open(competition: Competition) -> None:
    """Raise SubmissionsClosedError unless the competition's models run on this site."""
    if competition.slug != settings.ENV.local_models_competition or not site_bench():
        raise SubmissionsClosedError(
            f"The models of {competition.slug} do not run on this site; submit them "
            "where they run."
        )
    if competition.status == Competition.Status.ENDED:
        raise SubmissionsClosedError(f"{competition.slug} has ended.")


def _recorded(
    cruncher: Cruncher, model_id: str, folder: Path, message: str, user: Any
) -> SubmittedVersion:
    code_hash = submission.read(folder).code_hash
    one_after_another(_RECEIVING)
    quota_of(cruncher).require()
    require_own(cruncher, model_id)
    versions = SubmittedVersion.objects.filter(
        competition=cruncher.competition, model_id=model_id
    )
    newest = versions.aggregate(newest=Max("version"))["newest"] or 0
    row = SubmittedVersion.objects.create(
        competition=cruncher.competition,
        cruncher=cruncher,
        model_id=model_id,
        version=newest + 1,
        message=one_line(message, limit=300),
        content=folder.name,
        code_hash=code_hash,
        created_at=clock.now(),
    )
    audit.note(user, [row], flag=ADDITION, what=f"Submitted by {cruncher.name}.")
    return row


def require_own(cruncher: Cruncher, model_id: str) -> None:
    """Raise ModelTakenError if another has the name: a folder, rows, a submission."""
    competition = cruncher.competition
    folder = settings.LOCAL_MODELS_DIR / model_id
    others = (
        folder.is_dir() and submission.cruncher_of(folder) != cruncher.cruncher_id,
        ParticipantModel.objects.filter(competition=competition, model_id=model_id)
        .exclude(cruncher=cruncher)
        .exists(),
        SubmittedVersion.objects.filter(competition=competition, model_id=model_id)
        .exclude(cruncher=cruncher)
        .exclude(status=SubmittedVersion.Status.REFUSED)
        .exists(),
    )
    if any(others):
        raise ModelTakenError(
            f"model name was {model_id!r}, which another participant has; take another."
        )
