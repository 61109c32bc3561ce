"""Acts on models: taken out of ranking and pay, for a public reason, and back."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from competitions import exclusion
from competitions.models import ParticipantModel
from core.requests import read_body
from crunchsite.v1.acts.act import OPERATE, ActView, Reason, competition_of, posts
from scoring.api.chosen_model import model_of


class ExclusionRow(serializers.ModelSerializer[ParticipantModel]):
    """A model, since when it is excluded, and why; `null` and empty if it is not."""

    class Meta:
        model = ParticipantModel
        fields = ["model_id", "excluded_at", "exclusion_reason"]


class ExclusionView(ActView):
    """One of the two acts; both are an operator's, also on a cruncher's own model."""

    write_permission = "competitions.exclude_participantmodel"
    service: Callable[..., ParticipantModel]

    def act(self, request: Request, slug: str, model_id: str) -> Response:
        competition = competition_of(request, slug)
        model = model_of({"competition": competition.slug}, model_id, request.user)
        reason = read_body(Reason, request)["reason"]
        changed = self.service(model=model.pk, reason=reason, user=request.user)
        return Response(ExclusionRow(changed).data)


def _described(reason: str) -> Any:
    return extend_schema_view(
        post=posts(OPERATE, Reason, ExclusionRow, asked={"reason": reason})
    )


@_described("it copies the answers of m2")
class Exclude(ExclusionView):
    """Take a model out of ranking and pay; everybody reads the reason."""

    service = staticmethod(exclusion.exclude)


@_described("it was m2 that copied")
class Readmit(ExclusionView):
    """Rank a model again, and pay it from the next checkpoint on."""

    service = staticmethod(exclusion.readmit)
