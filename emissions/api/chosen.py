"""Find the checkpoints that a request asks for, if its user may see them."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound

from competitions.models import Competition
from competitions.reporting import chosen_competition, refuse_beyond
from core.paging import Keyset
from core.requests import read_id, read_instant
from emissions.models import PREFIX, Checkpoint

NEWEST_FIRST = Keyset("period_end", read_instant, descending=True)


def checkpoints_of(query: dict[str, Any], user: Any) -> QuerySet[Checkpoint]:
    """Return the checkpoints of the competition that is asked for."""
    competition = chosen_competition(query, user)
    if competition is None:
        return Checkpoint.objects.none()
    rows = Checkpoint.objects.filter(competition=competition)
    return rows.filter(status=query["status"]) if "status" in query else rows


def latest_of(query: dict[str, Any], user: Any) -> Checkpoint:
    """Return the newest checkpoint of a competition; raises NotFound."""
    competition: Competition | None = chosen_competition(query, user)
    checkpoint = Checkpoint.objects.filter(competition=competition).first()
    if checkpoint is None:
        raise NotFound("No checkpoints found", code="checkpoint_not_found")
    return checkpoint


def checkpoint_of(checkpoint_id: str, user: Any) -> Checkpoint:
    """Return the checkpoint of a path, `CKP_7` or `7`; raises NotFound."""
    number = read_id(checkpoint_id.removeprefix(PREFIX))
    found = Checkpoint.objects.filter(pk=number)
    checkpoint = found.filter(competition__in=Competition.objects.seen_by(user)).first()
    if checkpoint is None:
        refuse_beyond(user, Competition.objects.filter(checkpoints__in=found))
        raise NotFound(
            f"Checkpoint {checkpoint_id} not found", code="checkpoint_not_found"
        )
    return checkpoint


def emission_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint's emission; raises NotFound without one."""
    if not checkpoint.entries:
        raise NotFound(
            f"Checkpoint {checkpoint} has no emission", code="emission_not_found"
        )
    emission: dict[str, Any] = checkpoint.entries[0]
    return emission
