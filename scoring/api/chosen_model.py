"""Find the model that a request asks for, if its user may see it."""

from typing import Any

from rest_framework.exceptions import NotFound

from competitions.models import ParticipantModel
from competitions.reporting import (
    chosen_competition,
)


def model_of(query: dict[str, Any], model_id: str, user: Any) -> ParticipantModel:
    """Return the model of a path, in the chosen competition; raises NotFound."""
    model = (
        ParticipantModel.objects.filter(
            competition=chosen_competition(query, user), model_id=model_id
        )
        .select_related("competition")
        .first()
    )
    if model is None:
        raise NotFound(
            f"model was {model_id!r}; the competition has no model with that id.",
            code="model_not_found",
        )
    return model
