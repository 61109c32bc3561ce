"""Models that participants submit with their own key, and how each version fares.

A cruncher's key sees and submits that cruncher's own; an operator's sees all.
"""

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from competitions.models import Cruncher, SubmittedVersion
from competitions.models.participants import LONGEST_REASON
from competitions.submissions.quota import Quota, quota_of
from competitions.submissions.receiving import receive
from competitions.tasks import submissions as check_submissions
from core.paging import Keyset
from core.requests import IdField, read_body, read_instant
from crunchsite.v1.acts.act import OPERATE, ActView, posts
from crunchsite.v1.acts.local_models import (
    OF_MODELS,
    ModelFile,
    OwnOrPermitted,
    require_act,
)
from crunchsite.v1.columns import Column, Kind, row_serializer
from crunchsite.v1.filters import Filters, reads
from crunchsite.v1.items import NumberedItemView
from crunchsite.v1.lists import CompetitionListView
from crunchsite.v1.schema import item_operation, list_operation

READ = OF_MODELS.format("operate")
NEEDED = (
    "Submissions are a participant's; use a key that is bound to a cruncher. Operators "
    "add local models instead."
)
COLUMNS: tuple[Column, ...] = (
    Column("id", Kind.INTEGER),
    Column("model_id", Kind.TEXT),
    Column("version", Kind.INTEGER, help="1, 2, 3 ... of its model."),
    Column("cruncher_id", Kind.TEXT, "cruncher__cruncher_id"),
    Column("status", Kind.TEXT, help="QUEUED, CHECKING, LIVE, REPLACED or REFUSED."),
    Column("code", Kind.TEXT, help="Why it is refused, for programs."),
    Column("reason", Kind.TEXT, help="Why it is refused, or what its check waits for."),
    Column("message", Kind.TEXT),
    Column("created_at", Kind.INSTANT),
    Column("checked_at", Kind.INSTANT, help="When its check ended."),
    Column("live_at", Kind.INSTANT),
)
RESULT = Column(
    "result", Kind.JSON, help="What the check saw: answers, times, problems, log."
)


class QuotaState(serializers.Serializer[Any]):
    """How many versions may be submitted in this day of UTC, and what is left."""

    per_day = serializers.IntegerField()
    used = serializers.IntegerField()
    left = serializers.IntegerField()
    resets_at = serializers.DateTimeField()


class NewSubmission(ModelFile):
    """A model's next version, as a form (`multipart/form-data`)."""

    message = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=LONGEST_REASON,
        help_text="What is new in it, for you.",
    )
    consent = serializers.BooleanField(
        default=False,
        help_text="That the site may run this code, and let it replace the version "
        "that runs now.",
    )

    def validate_consent(self, is_given: bool) -> bool:
        if not is_given:
            raise serializers.ValidationError(
                "is needed: with it the site may run this code, and let it replace the "
                "version that runs now.",
                code="consent_missing",
            )
        return is_given


class SubmissionAnswer(serializers.Serializer[Any]):
    """What was created, and what is left of the quota."""

    id = serializers.IntegerField()
    model_id = serializers.CharField()
    version = serializers.IntegerField()
    status = serializers.ChoiceField(SubmittedVersion.Status.choices)
    competition = serializers.CharField()
    quota = QuotaState()


class SubmissionFilters(Filters):
    model_id = reads(IdField(), "model_id")
    status = reads(serializers.ChoiceField(SubmittedVersion.Status.choices), "status")


@list_operation(OPERATE, "SubmissionItem", "List submitted versions of models")
class SubmissionList(CompetitionListView):
    """What was submitted, the newest first: a cruncher's own, or all to operators."""

    permission_classes = [OwnOrPermitted]
    read_permission = READ
    queryset = SubmittedVersion.objects.all()
    columns = COLUMNS
    order = Keyset("created_at", read_instant, descending=True)
    filterset_class = SubmissionFilters

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a key without the scope of its cruncher's models."""
        super().initial(request, *args, **kwargs)
        own = own_cruncher(request.user)
        if own is not None:
            require_act(request.user, READ, own.pk)

    def get_queryset(self) -> Any:
        """Return the rows that the user's key is for."""
        rows, own = super().get_queryset(), own_cruncher(self.request.user)
        return rows if own is None else rows.filter(cruncher=own)


@extend_schema_view(
    post=posts(
        OPERATE, {"multipart/form-data": NewSubmission}, SubmissionAnswer, status=201
    )
)
class Submissions(SubmissionList, ActView):
    """List submitted versions; or submit one, which is checked before it runs."""

    parser_classes = [MultiPartParser]
    write_permission = OF_MODELS.format("add")

    def act(self, request: Request) -> Response:
        """Submit a model's next version: queued, and checked before it runs."""
        own = own_cruncher(request.user)
        if own is None:
            raise PermissionDenied(NEEDED, code="cruncher_key_needed")
        require_act(request.user, self.write_permission, own.pk)
        asked = read_body(NewSubmission, request)
        row = receive(
            cruncher=own,
            file=asked["file"],
            file_name=asked["file"].name,
            model_id=asked["name"],
            message=asked["message"],
            user=request.user,
        )
        transaction.on_commit(
            lambda: check_submissions.apply_async(expires=30), robust=True
        )  # Beat sends it too
        told = {
            **{name: getattr(row, name) for name in ("id", "model_id", "version")},
            "status": row.status,
            "competition": row.competition.slug,
            "quota": quota_of(own),
        }
        return Response(SubmissionAnswer(told).data, 201)


@item_operation("Read a submitted version")
class OneSubmission(NumberedItemView, SubmissionList):
    """A version and what its check saw, for its cruncher and operators."""

    code: ClassVar[str] = "submission_not_found"
    columns = (*COLUMNS, RESULT)
    row_class = row_serializer("SubmissionWithResult", (*COLUMNS, RESULT))


class SubmissionQuota(APIView):
    """What is left of the quota of the key's cruncher."""

    permission_classes = [OwnOrPermitted]
    read_permission = READ

    @extend_schema(tags=[OPERATE], responses=QuotaState, summary="Read the quota")
    def get(self, request: Request) -> Response:
        own = own_cruncher(request.user)
        require_act(request.user, READ, own.pk if own else None)
        if own is None:
            raise PermissionDenied(NEEDED, code="cruncher_key_needed")
        quota: Quota = quota_of(own)
        return Response(QuotaState(quota).data)


def own_cruncher(user: Any) -> Cruncher | None:
    """Return the cruncher that a key speaks for, or None."""
    cruncher: Cruncher | None = getattr(getattr(user, "key", None), "cruncher", None)
    return cruncher
