"""Parse the orchestrator's announcements of models; skip invalid ones.

The protocol neither authenticates nor checks the link, and participants choose their
names. One text that a row cannot hold would fail everybody's round.
"""

from typing import Any, TypedDict

import structlog

from competitions.gateway.types import (
    LONGEST_ID,
    LONGEST_NAME,
    ModelIdentity,
    State,
)
from core.texts import brief, one_line, readable

log = structlog.get_logger(__name__)

STATES = ("RUNNING", "RECOVERING", "STOPPED")
LONGEST_ADDRESS = 255


class AnnouncedInfos(TypedDict):
    """The owner of a model. `socket_uid` is the user of its socket; None if unknown."""

    model_name: str
    cruncher_id: str
    cruncher_name: str
    cruncher_wallet_pubkey: str
    cruncher_hotkey: object
    socket_uid: int | None


class AnnouncedModel(TypedDict):
    """One announced model; `port` is a number, or the path of a unix socket."""

    model_id: str
    state: State
    ip: str
    port: int | str
    deployment_id: str
    error: str
    infos: AnnouncedInfos


def models_of(data: object) -> list[AnnouncedModel] | None:
    """Return the valid models of an event's data; None when it is not a list.

    Every text fits its column. Invalid entries are logged and skipped.
    """
    if not isinstance(data, list):
        log.warning("orchestrator.invalid_event", data=brief(data))
        return None
    models = [_model(entry) for entry in data]
    invalid = [
        entry for entry, model in zip(data, models, strict=True) if model is None
    ]
    if invalid:
        log.warning(
            "orchestrator.invalid_model", count=len(invalid), first=brief(invalid[0])
        )
    return [model for model in models if model is not None]


def identity_of(model: AnnouncedModel, *, error: str) -> ModelIdentity:
    """Return an announced model's identity; `error` is its connection's newest one."""
    infos = model["infos"]
    return ModelIdentity(
        model_id=model["model_id"],
        name=infos["model_name"],
        deployment_id=model["deployment_id"],
        cruncher_id=infos["cruncher_id"],
        cruncher_name=infos["cruncher_name"],
        wallet=infos["cruncher_wallet_pubkey"],
        state=model["state"],
        error=error or model["error"],
    )


def _model(entry: Any) -> AnnouncedModel | None:
    if not isinstance(entry, dict):
        return None
    model_id, state = entry.get("model_id"), entry.get("state")
    if not isinstance(model_id, str | int) or state not in STATES:
        return None
    model_id = str(model_id)
    if not model_id or one_line(model_id, limit=LONGEST_ID) != model_id:
        return None
    infos = entry.get("infos")
    infos = infos if isinstance(infos, dict) else {}
    return {
        "model_id": model_id,
        "state": state,
        "ip": _text(entry.get("ip"), LONGEST_ADDRESS),
        "port": _port(entry.get("port")),
        "deployment_id": _text(
            entry.get("deployment_id") or "unknown-deployment", LONGEST_NAME
        ),
        "error": readable(_plain(entry.get("error"))),
        "infos": {
            "model_name": _text(
                infos.get("model_name") or "unknown-model", LONGEST_NAME
            ),
            "cruncher_id": _text(
                infos.get("cruncher_id") or "unknown-player", LONGEST_ID
            ),
            "cruncher_name": _text(
                infos.get("cruncher_name") or "Unknown", LONGEST_NAME
            ),
            "cruncher_wallet_pubkey": _text(
                infos.get("cruncher_wallet_pubkey") or "", LONGEST_ID
            ),
            "cruncher_hotkey": infos.get("cruncher_hotkey"),
            "socket_uid": _uid(infos.get("socket_uid")),
        },
    }


def _plain(value: object) -> str:
    return value if isinstance(value, str) else ""


def _port(value: object) -> int | str:
    if type(value) is int and 0 <= value < 2**16:
        return value
    return _text(value, LONGEST_ADDRESS)


def _uid(value: object) -> int | None:
    return value if type(value) is int else None


def _text(value: object, limit: int) -> str:
    text = value if isinstance(value, str) else brief(value)
    return one_line(text, limit=limit)
