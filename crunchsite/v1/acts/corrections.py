"""Corrections of a stretch of time: previewed, then applied by the preview's token."""

from typing import Any

from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition
from core.errors import OperatorError
from core.requests import IdField, InstantField, read_body
from crunchsite.operator.actions import CORRECTIONS, asked, correct, in_words
from crunchsite.operator.previews import token_of, was_previewed
from crunchsite.v1.acts.act import OPERATE, ActView, Reason, competition_of, posts
from scoring.corrections import newest

LONGEST_TOKEN = 1_000
EXAMPLE = {
    "start": "2026-03-02T11:00:00Z",
    "end": "2026-03-02T12:00:00Z",
    "reason": "the exchange was down",
}


class PreviewStaleError(OperatorError):
    """A token of a preview that says no longer what would be done."""

    code = "preview_stale"
    status = 409


class Stretch(Reason):
    """From `start` up to `end`, which is the first instant after it.

    Without a `token` nothing is done but a preview, whose answer has the token. With it
    the same stretch is corrected, unless something was corrected since.
    """

    start = InstantField()
    end = InstantField()
    token = serializers.CharField(
        required=False,
        max_length=LONGEST_TOKEN,
        help_text="Of the preview; good for 15 minutes.",
    )

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["start"] >= asked["end"]:
            raise serializers.ValidationError(
                {"end": ["must lie after start."]}, code="bad_range"
            )
        return asked


class ScopedStretch(Stretch):
    """The same, of one scope or of all."""

    scope_key = IdField(default="", allow_blank=True, help_text="Empty: every scope.")


class MoveRow(serializers.Serializer[Any]):
    """What it does to a model's line on the newest board."""

    model_id = serializers.CharField()
    rank_before = serializers.IntegerField(allow_null=True)
    rank_after = serializers.IntegerField(allow_null=True)
    value_before = serializers.FloatField(allow_null=True)
    value_after = serializers.FloatField(allow_null=True)


class CorrectionRow(serializers.Serializer[Any]):
    """What was done, or would be; with `token`, nothing was done yet."""

    is_applied = serializers.BooleanField()
    token = serializers.CharField(allow_null=True)
    summary = serializers.CharField()
    rounds = serializers.IntegerField()
    scores = serializers.IntegerField()
    snapshots = serializers.IntegerField()
    moves = MoveRow(many=True)


class CorrectView(ActView):
    """Preview a correction, or apply the one that was previewed."""

    kind = ""
    body: type[Stretch] = Stretch

    def act(self, request: Request, slug: str) -> Response:
        competition = competition_of(request, slug)
        span = read_body(self.body, request)
        reason, token = span.pop("reason"), span.pop("token", None)
        _check_scope(competition, span.get("scope_key", ""))
        on = newest(competition.pk)
        what = asked(self.kind, competition, span, on)
        if token is not None and not was_previewed(token, what):
            raise PreviewStaleError(
                "Not applied: this is not what was previewed, something was corrected "
                "since, or it was too long ago. Preview it again, without a token."
            )
        done = correct(
            kind=self.kind,
            competition=competition,
            user=request.user,
            reason=reason,
            span=span,
            preview=token is None,
            on=None if token is None else on,
        )
        told = {
            "is_applied": token is not None,
            "token": token_of(what) if token is None else None,
            "summary": in_words(done),
        }
        return Response(CorrectionRow({**vars(done), **told}).data)


def _check_scope(competition: Competition, scope_key: str) -> None:
    keys = competition.scheduled_predictions.values_list("scope_key", flat=True)
    if scope_key and scope_key not in keys:
        raise serializers.ValidationError(
            {"scope_key": [f"was {scope_key!r}; the scopes are {', '.join(keys)}."]},
            code="scope_unknown",
        )


@extend_schema_view(post=posts(OPERATE, Stretch, CorrectionRow, asked=EXAMPLE))
class Rescore(CorrectView):
    """Score the closed periods of a stretch again, with the scorer of today."""

    kind = "rescore"
    write_permission = CORRECTIONS[kind].permission


@extend_schema_view(post=posts(OPERATE, ScopedStretch, CorrectionRow, asked=EXAMPLE))
class Void(CorrectView):
    """Let the slots of a stretch count for nothing."""

    kind = "void"
    body = ScopedStretch
    write_permission = CORRECTIONS[kind].permission
