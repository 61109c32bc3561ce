"""Acts on a competition: created, activated, paused, ended, asked and scored now."""

from typing import Any

from django.contrib.admin.models import ADDITION
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from competitions import lifecycle, packs
from competitions.models import Competition, ScheduledPrediction
from core import audit
from core.requests import IdField, read_body
from crunchsite.operator.actions import ACTIONS, press
from crunchsite.operator.competition_forms import GRANULARITIES
from crunchsite.operator.editing import edit
from crunchsite.v1.acts.act import (
    OPERATE,
    ActView,
    Reason,
    competition_of,
    posts,
    rules_of_rows,
)
from feeds.providers import sources
from feeds.tape.records import CANDLE, TICK

MOST_SUBJECTS = 100
LARGEST_COLUMN = 2**31 - 1


def _seconds(*, least: int) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=least, max_value=LARGEST_COLUMN, required=False
    )


def _of_chain(longest: int) -> serializers.CharField:
    return serializers.CharField(max_length=longest, allow_blank=True, required=False)


class NewCompetition(serializers.Serializer[Any]):
    """What is empty is the site's (`FEED_SOURCE`, `FEED_SUBJECTS`), else the pack's."""

    slug = serializers.SlugField(max_length=80)
    pack = serializers.CharField(max_length=80, default=packs.DEFAULT)
    name = serializers.CharField(max_length=120, default="", allow_blank=True)
    feed_source = serializers.ChoiceField(sources.names(), default="", allow_blank=True)
    feed_kind = serializers.ChoiceField([CANDLE, TICK], default="", allow_blank=True)
    feed_granularity = serializers.ChoiceField(
        GRANULARITIES, default="", allow_blank=True
    )
    subjects = serializers.ListField(
        child=IdField(max_length=40), default=list, max_length=MOST_SUBJECTS
    )

    def validate_pack(self, name: str) -> str:
        if name not in packs.names():
            raise serializers.ValidationError(
                f"was {name!r}; the packs are {', '.join(packs.names())}.",
                code="pack_unknown",
            )
        return name


class ScheduleSerializer(serializers.ModelSerializer[ScheduledPrediction]):
    class Meta:
        model = ScheduledPrediction
        fields = ["scope_key", "prediction_interval_s", "resolve_horizon_s", "active"]


class CompetitionState(serializers.ModelSerializer[Competition]):
    """A competition as it stands, with its schedule and its cadence in seconds."""

    schedule = ScheduleSerializer(source="scheduled_predictions", many=True)

    class Meta:
        model = Competition
        fields = [
            *("slug", "name", "status", "activated_at", "ending_at", "created_at"),
            *("pack", "feed_source", "feed_kind", "feed_granularity"),
            *("score_interval_s", "snapshot_period_s", "emission_interval_s"),
            *("crunch_pubkey", "network", "schedule"),
        ]


class Pressed(serializers.Serializer[Any]):
    """What was done, in a sentence, and the status that the competition has now."""

    message = serializers.CharField()
    competition = serializers.CharField()
    status = serializers.ChoiceField(Competition.Status.choices)


class Effect(serializers.Serializer[Any]):
    """What an act would do now, in sentences."""

    title = serializers.CharField()
    effect = serializers.ListField(child=serializers.CharField())


@extend_schema_view(
    post=posts(
        OPERATE,
        NewCompetition,
        CompetitionState,
        status=201,
        asked={"slug": "btc-hourly", "pack": "realtime", "subjects": ["BTCUSDT"]},
    )
)
class Competitions(ActView):
    """Create a competition from a pack, as a draft; `activate` lets it run."""

    write_permission = "competitions.add_competition"

    def act(self, request: Request) -> Response:
        asked = read_body(NewCompetition, request)
        made = lifecycle.create_competition(pack_name=asked.pop("pack"), **asked)
        what = f"Added, from the pack {made.pack}."
        audit.note(request.user, [made], flag=ADDITION, what=what)
        return Response(CompetitionState(made).data, 201)


class Edited(Reason):
    """What changes; what is left out stays. Durations are in seconds.

    The emission interval is a multiple of the snapshot period, and 0 pays nobody. With
    its first `crunch_pubkey` a competition pays each week, if nothing else is said.
    """

    name = serializers.CharField(max_length=120, required=False)
    score_interval_s = _seconds(least=1)
    snapshot_period_s = _seconds(least=1)
    emission_interval_s = _seconds(least=0)
    crunch_pubkey = _of_chain(64)
    network = serializers.CharField(max_length=20, required=False)
    compute_provider = _of_chain(64)
    data_provider = _of_chain(64)


@extend_schema_view(
    post=posts(
        OPERATE,
        Edited,
        CompetitionState,
        asked={"emission_interval_s": 86400, "reason": "it pays each day"},
    )
)
class Edit(ActView):
    """Change the name, the cadence or who is paid."""

    write_permission = "competitions.change_competition"

    def act(self, request: Request, slug: str) -> Response:
        competition = competition_of(request, slug)
        changes = read_body(Edited, request)
        reason = changes.pop("reason")
        with rules_of_rows():
            edited = edit(
                competition_id=competition.pk,
                changes=changes,
                user=request.user,
                reason=reason,
            )
        return Response(CompetitionState(edited).data)


class PressView(ActView):
    """One of the actions that an operator presses; GET says what it would do."""

    name = ""

    def get(self, request: Request, slug: str) -> Response:
        action = ACTIONS[self.name]
        effect = action.effect(competition_of(request, slug))
        return Response({"title": action.title, "effect": effect})

    def act(self, request: Request, slug: str) -> Response:
        competition = competition_of(request, slug)
        reason = read_body(Reason, request)["reason"]
        message = press(
            action=ACTIONS[self.name],
            competition=competition,
            user=request.user,
            reason=reason,
        )
        told = {"message": message, "competition": competition.slug}
        return Response({**told, "status": competition.status})


def press_view(name: str, *, says: str) -> type[PressView]:
    """Make the view of an action; `says` describes it for the schema."""
    permission = ACTIONS[name].permission
    described = extend_schema_view(
        get=extend_schema(
            tags=[OPERATE],
            summary=f"{ACTIONS[name].title}: what it would do",
            responses=Effect,
        ),
        post=posts(
            OPERATE,
            Reason,
            Pressed,
            asked={"reason": "the exchange is in maintenance"},
        ),
    )
    body = {
        "__doc__": says,
        "name": name,
        "is_atomic": ACTIONS[name].is_whole,
        "read_permission": permission,
        "write_permission": permission,
    }
    made: type[PressView] = described(type("Press", (PressView,), body))
    return made


activate = press_view(
    "activate",
    says="Let it run from the next slot of its grid; its callables are tried first.",
)
pause = press_view("pause", says="Stop asking models; what was asked is still scored.")
end = press_view(
    "end",
    says="Stop asking for good: it is scored and paid a last time, then ENDED.",
)
predict_now = press_view("predict-now", says="Ask all models now, beside the grid.")
score_now = press_view(
    "score-now", says="Score what is due, and bring the board along."
)
