"""The actions that an operator can take on a local model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.admin.models import CHANGE, DELETION

from competitions.local_models import control
from competitions.local_models.control import ModelStatus


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
# By state; all others offer restart and stop.
OFFERED = {"STOPPED": ["start"], "QUARANTINED": ["restart", "stop"]}
