"""The actions that people and programs can take on a local model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.admin.models import ADDITION, CHANGE, DELETION

from competitions.local_models import control, upload
from competitions.local_models.control import ModelStatus
from competitions.models import ParticipantModel
from core import audit


@dataclass(frozen=True)
class LocalAction:
    """One action: `effect` describes it before it is done, `run` requests it."""

    title: str
    effect: Callable[[ModelStatus], list[str]]
    run: Callable[[str], None]
    permission: str = "operate"
    flag: int = CHANGE


def logs_folder() -> dict[str, Path]:
    return {"logs_dir": settings.MODELS_LOG_DIR}


def _folders() -> dict[str, Path]:
    return {"models_dir": settings.LOCAL_MODELS_DIR, **logs_folder()}


ACTIONS: Mapping[str, LocalAction] = {
    "stop": LocalAction(
        "Stop",
        lambda _: [
            (
                "Its process ends within a second and stays down until Start, also "
                "when the site restarts."
            ),
            "Rounds go on without it: it is neither asked nor expected.",
        ],
        lambda model_id: control.stop(**logs_folder(), model_id=model_id),
    ),
    "start": LocalAction(
        "Start",
        lambda _: ["A process is started within a second; the next round asks it."],
        lambda model_id: control.start(**logs_folder(), model_id=model_id),
    ),
    "restart": LocalAction(
        "Restart",
        lambda model: [
            (
                "Its process, if there is one, ends; a new one is shown recent data "
                "before its next question. What it kept in memory is lost."
            ),
            *(
                [f"Its quarantine is lifted. It was there because: {model.error}"]
                if model.state == "QUARANTINED"
                else []
            ),
        ],
        lambda model_id: control.restart(**logs_folder(), model_id=model_id),
    ),
    "remove": LocalAction(
        "Remove",
        lambda _: [
            (
                f"Its process ends and its folder in {settings.LOCAL_MODELS_DIR} is "
                "deleted. There is no way back but to add it again."
            ),
            "Its predictions, scores and payouts remain.",
        ],
        lambda model_id: control.remove(**_folders(), model_id=model_id),
        permission="delete",
        flag=DELETION,
    ),
}
LARGEST_UPLOAD_BYTES = 50 * 2**20
# By state; all others offer restart and stop.
OFFERED = {"STOPPED": ["start"], "QUARANTINED": ["restart", "stop"]}


def status_of_model(model_id: str) -> ModelStatus | None:
    """Return a local model as its orchestrator last reported it; None if unknown."""
    rows = control.status(settings.MODELS_LOG_DIR)
    return next((row for row in rows if row.model_id == model_id), None)


def perform(*, name: str, model: ModelStatus, user: Any, reason: str) -> str:
    """Request an action, and write the trail; returns what was done, in a sentence."""
    chosen = ACTIONS[name]
    chosen.run(model.model_id)
    what = f"{chosen.title}, was {model.state}. Reason: {reason}"
    _note(user, model.model_id, flag=chosen.flag, what=what)
    return (
        f"{model.model_id}: {chosen.title.lower()} is asked for; the list shows it "
        "within a second."
    )


def add_model(
    *, file: Any, name: str, user: Any, reason: str, cruncher: str = ""
) -> str:
    """Add a model from an uploaded file, and write the trail; returns its id.

    `cruncher` says whose it is; empty: its own `model.json` says so.
    """
    added = upload.add_upload(
        models_dir=settings.LOCAL_MODELS_DIR,
        file=file,
        file_name=file.name,
        model_id=name,
        cruncher=cruncher,
    )
    what = f"Added from {file.name}. Reason: {reason}"
    _note(user, added, flag=ADDITION, what=what)
    return added


def _note(user: Any, model_id: str, *, flag: int, what: str) -> None:
    """Write the audit entry. A local model has no row before its first round."""
    model = ParticipantModel(name=model_id)
    audit.note(user, [model], flag=flag, what=f"Local: {what}")
