"""What an orchestrator says about models, made fit for us; the rest is passed over.

The link is neither authenticated nor checked by the protocol, and participants choose
their names: one text that a row cannot hold would cost everybody's round.
"""

from typing import Any

import structlog

from competitions.gateway.types import LONGEST_ID, LONGEST_NAME, ModelIdentity
from core.texts import brief, one_line, readable

log = structlog.get_logger(__name__)

STATES = ("RUNNING", "RECOVERING", "STOPPED")
LONGEST_ADDRESS = 255


def models_of(data: Any) -> list[dict[str, Any]] | None:
    """The sensible models of an event's data; None when it is no list at all.

    Each has a text `model_id`, `deployment_id` and `state` (RUNNING, RECOVERING or
    STOPPED), an address and `infos` whose texts fit.
    """
    if not isinstance(data, list):
        log.warning("orchestrator.senseless_event", found=brief(data))
        return None
    found = [(said, _model(said)) for said in data]
    if senseless := [said for said, model in found if model is None]:
        log.warning(
            "orchestrator.senseless_model",
            count=len(senseless),
            found=brief(senseless[0]),
        )
    return [model for _, model in found if model is not None]


def identity_of(model: dict[str, Any], *, error: str) -> ModelIdentity:
    """Who a model of `models_of` is; `error` is what its connection said last."""
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


def _model(said: Any) -> dict[str, Any] | None:
    if not isinstance(said, dict):
        return None
    model_id, state = said.get("model_id"), said.get("state")
    if not isinstance(model_id, str | int) or state not in STATES:
        return None
    model_id = str(model_id)
    if not model_id or one_line(model_id, limit=LONGEST_ID) != model_id:
        return None
    infos = said.get("infos")
    infos = infos if isinstance(infos, dict) else {}
    return {
        "model_id": model_id,
        "state": state,
        "ip": _text(said.get("ip"), LONGEST_ADDRESS),
        "port": _port(said.get("port")),
        "deployment_id": _text(
            said.get("deployment_id") or "unknown-deployment", LONGEST_NAME
        ),
        "error": readable(_plain(said.get("error"))),
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


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _port(value: Any) -> int | str:
    """A number, or the path of a unix socket."""
    is_number = type(value) is int and 0 <= value < 2**16
    return value if is_number else _text(value, LONGEST_ADDRESS)


def _uid(value: Any) -> int | None:
    """The user whose sockets a model's are; None where nobody says it."""
    return value if type(value) is int else None


def _text(value: Any, limit: int) -> str:
    text = value if isinstance(value, str) else brief(value)
    return one_line(text, limit=limit)
