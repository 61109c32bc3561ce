"""Acts on the live pool: the release that is due is published, an earlier one put back.

Both reach the stores of releases, beyond the database.
"""

from typing import Any

from django.contrib.admin.models import ADDITION
from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import audit, clock
from core.requests import read_body
from crunchsite.operator.previews import token_of, was_previewed
from crunchsite.v1.acts.act import OPERATE, ActView, Reason, posts
from crunchsite.v1.acts.corrections import LONGEST_TOKEN, PreviewStaleError
from livepool.errors import LivePoolError
from livepool.models import Release
from livepool.release import rollback, schedule


class NothingToPublishError(LivePoolError):
    """The release that is due is there, or this site does not publish."""

    code = "livepool_not_due"
    status = 409


class PoolChangeRow(serializers.Serializer[Any]):
    """What changes for consumers, from the version before."""

    version = serializers.CharField()
    previous_version = serializers.CharField(allow_blank=True)
    symbols = serializers.ListField(child=serializers.CharField())
    entered = serializers.ListField(child=serializers.CharField())
    left = serializers.ListField(child=serializers.CharField())


@extend_schema_view(
    post=posts(
        OPERATE,
        Reason,
        PoolChangeRow,
        status=201,
        asked={"reason": "the night's run had failed"},
    )
)
class Publish(ActView):
    """Publish this month's release now, if it is not there."""

    write_permission = "livepool.publish_release"
    is_atomic = False

    def act(self, request: Request) -> Response:
        reason = read_body(Reason, request)["reason"]
        done = schedule.publish_due(actor=request.user.get_username())
        if done is None:
            as_of = schedule.due_date(clock.now())
            raise NothingToPublishError(
                f"Nothing to publish: the release of {as_of} is there, its candles are "
                "not on the tape, or PUBLISH_ENABLED is false."
            )
        release = Release.objects.filter(version=done.version).newest_first()[:1]
        what = f"Published {done.version}. Reason: {reason}"
        audit.note(request.user, list(release), flag=ADDITION, what=what)
        return Response(PoolChangeRow(done).data, 201)


class RollbackAsked(Reason):
    """Without a `token` nothing is done but a preview, whose answer has the token."""

    allow_stale = serializers.BooleanField(
        default=False, help_text="Even if it is beyond its age."
    )
    token = serializers.CharField(
        required=False,
        max_length=LONGEST_TOKEN,
        help_text="Of the preview; good for 15 minutes.",
    )


class RollbackRow(PoolChangeRow):
    """What was done, or would be; with `token`, nothing was done yet."""

    is_applied = serializers.BooleanField()
    token = serializers.CharField(allow_null=True)
    age_days = serializers.IntegerField()


@extend_schema_view(
    post=posts(
        OPERATE, RollbackAsked, RollbackRow, asked={"reason": "a coin was delisted"}
    )
)
class RollBack(ActView):
    """Preview a rollback to a version, or make the one that was previewed."""

    write_permission = "livepool.roll_back_release"
    is_atomic = False

    def act(self, request: Request, version: str) -> Response:
        asked = read_body(RollbackAsked, request)
        token = asked.pop("token", None)
        chosen = {"version": version, "allow_stale": asked["allow_stale"]}
        done = rollback.preview(**chosen)
        what = ["rollback", *chosen.values(), done.previous_version, done.symbols]
        if token is not None:
            if not was_previewed(token, what):
                raise PreviewStaleError(
                    "Not rolled back: this is not what was previewed, the pool has "
                    "changed since, or it was too long ago. Preview it again."
                )
            done = rollback.roll_back_as(request.user, reason=asked["reason"], **chosen)
        told = {
            "is_applied": token is not None,
            "token": token_of(what) if token is None else None,
        }
        change = PoolChangeRow(done).data
        return Response({**change, "age_days": done.age_days, **told})
