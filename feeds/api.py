"""The report API of market data and its backfill."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from django.contrib.admin.models import ADDITION, CHANGE
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from feeds import audit, backfill, health
from feeds.errors import FeedError
from feeds.models import BackfillJob, FeedSubscription
from feeds.paging import Keyset, PageQuery, page_response, read_query
from feeds.records import FeedKey
from feeds.tape.engine import transaction

# Both vocabularies are understood.
FILTERS = {
    "source": ("source", "provider"),
    "subject": ("subject", "asset"),
    "kind": ("kind",),
    "granularity": ("granularity",),
}
JOBS = Keyset("created_at", datetime.fromisoformat, descending=True)

_TAIL = """
    SELECT state.id, record.* FROM tape.feed_ingestion_state AS state
    CROSS JOIN LATERAL (
        SELECT source, subject, kind, granularity, ts_event, ts_ingested, is_closed,
               values_jsonb, meta_jsonb
        FROM tape.feed_records AS record
        WHERE record.source = state.source AND record.subject = state.subject
          AND record.kind = state.kind AND record.granularity = state.granularity
          AND (cast(:before AS timestamptz) IS NULL OR ts_event < :before
               OR ts_event = :before AND state.id > :before_id)
        ORDER BY ts_event DESC LIMIT :limit
    ) AS record
    WHERE (cast(:source AS text) IS NULL OR state.source = :source)
      AND (cast(:subject AS text) IS NULL OR state.subject = :subject)
      AND (cast(:kind AS text) IS NULL OR state.kind = :kind)
      AND (cast(:granularity AS text) IS NULL OR state.granularity = :granularity)
    ORDER BY record.ts_event DESC, state.id LIMIT :limit
"""


class TailQuery(PageQuery):
    limit = serializers.IntegerField(min_value=1, max_value=200, default=20)


class JobsQuery(PageQuery):
    status = serializers.ChoiceField(BackfillJob.Status.choices, required=False)


class FeedSummarySerializer(serializers.Serializer[Any]):
    source = serializers.CharField()  # type: ignore[assignment]  # DRF takes it off the class
    subject = serializers.CharField()
    kind = serializers.CharField()
    granularity = serializers.CharField()
    record_count = serializers.IntegerField()
    oldest_ts = serializers.DateTimeField(allow_null=True)
    newest_ts = serializers.DateTimeField(allow_null=True)
    watermark_ts = serializers.DateTimeField(allow_null=True)
    watermark_updated_at = serializers.DateTimeField()


class RecordSerializer(serializers.Serializer[Any]):
    source = serializers.CharField()  # type: ignore[assignment]  # DRF takes it off the class
    subject = serializers.CharField()
    kind = serializers.CharField()
    granularity = serializers.CharField()
    ts_event = serializers.DateTimeField()
    ts_ingested = serializers.DateTimeField()
    is_closed = serializers.BooleanField()
    values = serializers.JSONField(source="values_jsonb")
    meta = serializers.JSONField(source="meta_jsonb")


class BackfillRequestSerializer(serializers.Serializer[Any]):
    source = serializers.CharField()  # type: ignore[assignment]  # DRF takes it off the class
    subject = serializers.CharField()
    kind = serializers.CharField(default="candle")
    granularity = serializers.CharField(default="1m")
    start = serializers.DateTimeField(help_text="Inclusive; UTC without an offset.")
    end = serializers.DateTimeField(help_text="Exclusive.")
    sink = serializers.ChoiceField(
        BackfillJob.Sink.choices, default=BackfillJob.Sink.PARQUET
    )

    def to_internal_value(self, data: Any) -> Any:
        named = dict(data)
        for name, (_, *aliases) in FILTERS.items():
            for alias in aliases:
                named.setdefault(name, named.get(alias))
        return super().to_internal_value(named)


class BackfillJobSerializer(serializers.ModelSerializer[BackfillJob]):
    start_ts = serializers.DateTimeField(source="start_at")
    end_ts = serializers.DateTimeField(source="end_at")
    cursor_ts = serializers.DateTimeField(source="cursor_at")
    error = serializers.SerializerMethodField()
    progress_pct = serializers.FloatField()

    class Meta:
        model = BackfillJob
        fields = [
            *("id", "source", "subject", "kind", "granularity", "sink"),
            *("start_ts", "end_ts", "cursor_ts", "records_written", "records_refused"),
            *("pages_fetched", "status", "error", "progress_pct"),
            *("created_at", "updated_at"),
        ]
        read_only_fields = fields

    def get_error(self, job: BackfillJob) -> str | None:
        return job.error or None


class Feeds(APIView):
    """What the tape holds, feed by feed."""

    queryset = FeedSubscription.objects.none()

    @extend_schema(responses=FeedSummarySerializer(many=True))
    def get(self, request: Request) -> Response:
        wanted = _filters(request)
        found = [
            summary
            for summary in health.summaries()
            if all(getattr(summary, name) == text for name, text in wanted.items())
        ]
        return Response(FeedSummarySerializer(found, many=True).data)


class Tail(APIView):
    """The newest records first; the Link header leads to the older ones."""

    queryset = FeedSubscription.objects.none()

    @extend_schema(
        parameters=[*(OpenApiParameter(name) for name in FILTERS), TailQuery],
        responses=RecordSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        query = read_query(TailQuery, request)
        before, before_id = _cursor(query.get("cursor"))
        wanted = _filters(request)
        with transaction() as connection:
            rows = connection.execute(
                sa.text(_TAIL),
                {
                    **{name: wanted.get(name) for name in FILTERS},
                    "before": before,
                    "before_id": before_id,
                    "limit": query["limit"],
                },
            ).all()
        is_full = len(rows) == query["limit"]
        cursor = f"{rows[-1].ts_event.isoformat()}~{rows[-1].id}" if is_full else None
        return page_response(request, RecordSerializer(rows, many=True).data, cursor)


class Backfill(APIView):
    """Start the backfill of a feed."""

    queryset = BackfillJob.objects.all()

    @extend_schema(
        request=BackfillRequestSerializer, responses={201: BackfillJobSerializer}
    )
    def post(self, request: Request) -> Response:
        body = BackfillRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        try:
            job = backfill.start(
                key=FeedKey(*(wanted[name] for name in FeedKey._fields)),
                start_at=wanted["start"],
                end_at=wanted["end"],
                sink=wanted["sink"],
            )
        except FeedError as error:
            return _refused(error)
        if job.created_at == job.updated_at:
            audit.note(request.user, [job], flag=ADDITION, what="started")
        else:
            audit.note(request.user, [job], flag=CHANGE, what="taken up again")
        from feeds.tasks import run_backfill_job

        run_backfill_job.delay_on_commit(str(job.pk))
        return Response(BackfillJobSerializer(job).data, status.HTTP_201_CREATED)


class BackfillJobs(APIView):
    """The newest jobs first; the Link header leads to the older ones."""

    queryset = BackfillJob.objects.all()

    @extend_schema(parameters=[JobsQuery], responses=BackfillJobSerializer(many=True))
    def get(self, request: Request) -> Response:
        query = read_query(JobsQuery, request)
        jobs = BackfillJob.objects.all()
        if "status" in query:
            jobs = jobs.filter(status=query["status"])
        page, cursor = JOBS.page(jobs, limit=query["limit"], cursor=query.get("cursor"))
        return page_response(
            request, BackfillJobSerializer(page, many=True).data, cursor
        )


class BackfillJobDetail(APIView):
    """One job and how far it has come."""

    queryset = BackfillJob.objects.all()

    @extend_schema(responses=BackfillJobSerializer)
    def get(self, request: Request, job_id: UUID) -> Response:
        job = get_object_or_404(BackfillJob, pk=job_id)
        return Response(BackfillJobSerializer(job).data)


class BackfillCancel(APIView):
    """End an unfinished job; what it wrote stays."""

    queryset = BackfillJob.objects.all()

    @extend_schema(request=None, responses=BackfillJobSerializer)
    def post(self, request: Request, job_id: UUID) -> Response:
        get_object_or_404(BackfillJob, pk=job_id)
        try:
            job = backfill.cancel(job_id=job_id)
        except FeedError as error:
            return _refused(error)
        audit.note(request.user, [job], flag=CHANGE, what="cancelled")
        return Response(BackfillJobSerializer(job).data)


def _filters(request: Request) -> dict[str, str]:
    return {
        name: request.query_params[alias]
        for name, aliases in FILTERS.items()
        for alias in aliases
        if alias in request.query_params
    }


def _cursor(text: str | None) -> tuple[datetime | None, str]:
    if text is None:
        return None, ""
    try:
        instant, feed = text.split("~")
        before = datetime.fromisoformat(instant)
    except ValueError:
        raise ValidationError(
            {"cursor": f"was {text!r}; take it from the Link header"}
        ) from None
    return before if before.tzinfo else before.replace(tzinfo=UTC), feed


def _refused(error: FeedError) -> Response:
    conflicts = (backfill.BackfillActiveError, backfill.BackfillOverError)
    code = 409 if isinstance(error, conflicts) else 422
    return Response({"code": error.code, "detail": str(error)}, code)
