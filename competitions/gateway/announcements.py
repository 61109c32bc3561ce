"""What an orchestrator says about models, made fit for us; the rest is passed over.

The link is neither authenticated nor checked by the protocol, and participants choose
their names: one text that a row cannot hold would cost everybody's round.
"""

from typing import Any

import structlog

from competitions.gateway.types import ModelIdentity

log = structlog.get_logger(__name__)

STATES = ("RUNNING", "RECOVERING", "STOPPED")
# Longest texts that the rows of competitions/models/participants.py hold.
LONGEST_ID, LONGEST_NAME = 120, 200


def models_of(data: Any) -> list[dict[str, Any]] | None:
    """The sensible models of an event's data; None when it is no list at all.

    Each has a text `model_id`, `deployment_id` and `state` (RUNNING, RECOVERING or
    STOPPED), and `infos` whose texts fit; the address is as it was said.
    """
    if not isinstance(data, list):
        log.warning("orchestrator.senseless_event", found=repr(data)[:200])
        return None
    found = []
    for said in data:
        if (model := _model(said)) is None:
            log.warning("orchestrator.senseless_model", found=repr(said)[:200])
        else:
            found.append(model)
    return found


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
        error=error,
    )


def _model(said: Any) -> dict[str, Any] | None:
    if not isinstance(said, dict):
        return None
    model_id, state = said.get("model_id"), said.get("state")
    if not isinstance(model_id, str | int) or state not in STATES:
        return None
    model_id = str(model_id)
    if not model_id or _text(model_id, longest=LONGEST_ID) != model_id:
        return None
    infos = said.get("infos")
    infos = infos if isinstance(infos, dict) else {}
    return {
        **said,
        "model_id": model_id,
        "deployment_id": _text(
            said.get("deployment_id") or "unknown-deployment", longest=LONGEST_NAME
        ),
        "infos": {
            **infos,
            "model_name": _text(
                infos.get("model_name") or "unknown-model", longest=LONGEST_NAME
            ),
            "cruncher_id": _text(
                infos.get("cruncher_id") or "unknown-player", longest=LONGEST_ID
            ),
            "cruncher_name": _text(
                infos.get("cruncher_name") or "Unknown", longest=LONGEST_NAME
            ),
            "cruncher_wallet_pubkey": _text(
                infos.get("cruncher_wallet_pubkey") or "", longest=LONGEST_ID
            ),
        },
    }


def _text(value: Any, *, longest: int) -> str:
    """Any value as text that PostgreSQL takes."""
    text = str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode(errors="replace").decode()[:longest]
