"""Exclude models from ranking and pay, for a reason that everybody reads.

An excluded model is still asked and scored. It has no rank and no weight in ensembles,
and checkpoints that are made while it is excluded do not pay it.
"""

from datetime import datetime
from typing import Any

from django.contrib.admin.models import CHANGE
from django.db import transaction

from competitions.errors import ExclusionError
from competitions.models import ParticipantModel
from core import audit, clock
from core.facts import Fact, FactKind, announce


@transaction.atomic
def exclude(*, model: int, reason: str, user: Any) -> ParticipantModel:
    """Exclude a model from now on, by its key; returns it.

    Raises ExclusionError if it is excluded already or is an ensemble.
    """
    excluded = _locked(model)
    if excluded.is_virtual:
        raise ExclusionError(
            f"{excluded.model_id} is an ensemble, which is never ranked or paid."
        )
    if excluded.excluded_at is not None:
        raise ExclusionError(
            f"{excluded.model_id} is excluded since {excluded.excluded_at:%d %b %H:%M}"
            f" already: {excluded.exclusion_reason}. To change the reason, readmit it"
            " first."
        )
    _store(excluded, at=clock.now(), reason=reason)
    audit.note(user, [excluded], flag=CHANGE, what=f"Excluded. Reason: {reason}")
    _announce(FactKind.MODEL_EXCLUDED, excluded, reason)
    return excluded


@transaction.atomic
def readmit(*, model: int, reason: str, user: Any) -> ParticipantModel:
    """End a model's exclusion, by its key; returns it.

    Checkpoints that were made meanwhile stay. Raises ExclusionError if it is not
    excluded.
    """
    readmitted = _locked(model)
    if readmitted.excluded_at is None:
        raise ExclusionError(f"{readmitted.model_id} is not excluded.")
    what = (
        f"Readmitted, was excluded since {readmitted.excluded_at.isoformat()}:"
        f" {readmitted.exclusion_reason}. Reason: {reason}"
    )
    _store(readmitted, at=None, reason="")
    audit.note(user, [readmitted], flag=CHANGE, what=what)
    _announce(FactKind.MODEL_READMITTED, readmitted, reason)
    return readmitted


def _locked(model: int) -> ParticipantModel:
    return ParticipantModel.objects.select_for_update(of=("self",)).get(pk=model)


def _store(model: ParticipantModel, *, at: datetime | None, reason: str) -> None:
    model.excluded_at, model.exclusion_reason = at, reason
    model.save(update_fields=["excluded_at", "exclusion_reason"])


def _announce(kind: FactKind, model: ParticipantModel, reason: str) -> None:
    payload = {"model_id": model.model_id, "reason": reason}
    announce(Fact(kind, model.competition_id, payload))
