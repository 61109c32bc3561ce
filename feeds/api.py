"""The report API of market data and its backfill."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.admin.models import ADDITION, CHANGE
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core import audit
from core.acts import sees_troubles
from core.paging import (
    Keyset,
    PageQuery,
    page_response,
    read_cursor,
    read_text,
    write_cursor,
)
from core.requests import (
    IdField,
    InstantField,
    read_body,
    read_instant,
    read_query,
)
from feeds import backfill_jobs
from feeds.models import BackfillJob, FeedSubscription
from feeds.tape import reports
from feeds.tape.records import FeedKey

# Both sets of names are accepted.
FILTERS = {
    "source": ("source", "provider"),
    "subject": ("subject", "asset"),
    "kind": ("kind",),
    "granularity": ("granularity",),
}
HIDDEN_FAILURE = "It failed; only operators see why."
JOBS = Keyset("created_at", read_instant, descending=True)


class FeedQuery(serializers.Serializer[Any]):
    """Choose feeds; `provider` is `source` and `asset` is `subject`."""

    source = IdField(required=False)  # type: ignore[assignment]  # DRF takes it off the class
    provider = IdField(required=False)
    subject = IdField(required=False)
    asset = IdField(required=False)
    kind = IdField(required=False)
    granularity = IdField(required=False)


class TailQuery(FeedQuery, PageQuery):
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
    source = IdField()  # type: ignore[assignment]  # DRF takes it off the class
    subject = IdField()
    kind = IdField(default="candle")
    granularity = IdField(default="1m")
    start = InstantField(help_text="Inclusive; UTC without an offset.")
    end = InstantField(help_text="Exclusive.")
    sink = serializers.ChoiceField(
        BackfillJob.Sink.choices, default=BackfillJob.Sink.PARQUET
    )

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            data = {**data, **_named(data)}
        return super().to_internal_value(data)


class BackfillJobSerializer(serializers.ModelSerializer[BackfillJob]):
    start_ts = serializers.DateTimeField(source="start_at")
    end_ts = serializers.DateTimeField(source="end_at")
    cursor_ts = serializers.DateTimeField(source="cursor_at", allow_null=True)
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
        """Return the error to operators alone: it names hosts and paths of the site."""
        if not job.error or sees_troubles(self.context["request"].user):
            return job.error or None
        return HIDDEN_FAILURE


class Feeds(APIView):
    """Return what the tape contains, one row for each feed."""

    queryset = FeedSubscription.objects.none()

    @extend_schema(parameters=[FeedQuery], responses=FeedSummarySerializer(many=True))
    def get(self, request: Request) -> Response:
        wanted = _named(read_query(FeedQuery, request))
        found = [
            summary
            for summary in reports.summaries()
            if all(getattr(summary, name) == text for name, text in wanted.items())
        ]
        return Response(FeedSummarySerializer(found, many=True).data)


class Tail(APIView):
    """Return the newest records first; the Link header leads to older ones."""

    queryset = FeedSubscription.objects.none()

    @extend_schema(parameters=[TailQuery], responses=RecordSerializer(many=True))
    def get(self, request: Request) -> Response:
        query = read_query(TailQuery, request)
        wanted = _named(query)
        before, before_id = (
            read_cursor(query["cursor"], read_instant, read_text)
            if "cursor" in query
            else (None, "")
        )
        rows = reports.newest_of_feeds(
            wanted=wanted, before=before, before_id=before_id, limit=query["limit"]
        )
        is_full = len(rows) == query["limit"]
        cursor = write_cursor(rows[-1].ts_event, rows[-1].id) if is_full else None
        return page_response(request, RecordSerializer(rows, many=True).data, cursor)


class Backfill(APIView):
    """Start the backfill of a feed."""

    queryset = BackfillJob.objects.all()
    write_permission = "feeds.start_backfilljob"

    @extend_schema(
        request=BackfillRequestSerializer, responses={201: BackfillJobSerializer}
    )
    def post(self, request: Request) -> Response:
        return start_job(request)


class BackfillJobs(APIView):
    """Return the newest jobs first; the Link header leads to older ones."""

    queryset = BackfillJob.objects.all()

    @extend_schema(parameters=[JobsQuery], responses=BackfillJobSerializer(many=True))
    def get(self, request: Request) -> Response:
        query = read_query(JobsQuery, request)
        jobs = BackfillJob.objects.all()
        if "status" in query:
            jobs = jobs.filter(status=query["status"])
        page, cursor = JOBS.page(jobs, limit=query["limit"], cursor=query.get("cursor"))
        return page_response(request, [_rendered(job, request) for job in page], cursor)


class BackfillJobDetail(APIView):
    """Return one job with its progress."""

    queryset = BackfillJob.objects.all()

    @extend_schema(responses=BackfillJobSerializer)
    def get(self, request: Request, job_id: str) -> Response:
        return Response(_rendered(_job(job_id), request))


class BackfillCancel(APIView):
    """Cancel an unfinished job; records that it wrote stay."""

    queryset = BackfillJob.objects.all()
    write_permission = "feeds.cancel_backfilljob"

    @extend_schema(request=None, responses=BackfillJobSerializer)
    def post(self, request: Request, job_id: str) -> Response:
        return cancel_job(request, job_id)


@transaction.atomic  # no job without an entry in the trail
def start_job(request: Request) -> Response:
    """Start the backfill that a request asks for, with its trail."""
    wanted = read_body(BackfillRequestSerializer, request)
    job = backfill_jobs.start(
        key=FeedKey(*(wanted[name] for name in FeedKey._fields)),
        start_at=wanted["start"],
        end_at=wanted["end"],
        sink=wanted["sink"],
    )
    if job.created_at == job.updated_at:
        audit.note(request.user, [job], flag=ADDITION, what="started")
    else:
        audit.note(request.user, [job], flag=CHANGE, what="resumed")
    from feeds.tasks import run_backfill_job

    run_backfill_job.delay_on_commit(str(job.pk))
    return Response(_rendered(job, request), status.HTTP_201_CREATED)


@transaction.atomic
def cancel_job(request: Request, job_id: str) -> Response:
    """End the job of an address, with its trail."""
    job = backfill_jobs.cancel(job_id=_job(job_id).pk)
    audit.note(request.user, [job], flag=CHANGE, what="cancelled")
    return Response(_rendered(job, request))


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given dimensions of a feed, under the project's names."""
    return {
        name: values[alias]
        for name, aliases in FILTERS.items()
        for alias in reversed(aliases)
        if alias in values
    }


def _rendered(job: BackfillJob, request: Request) -> dict[str, Any]:
    return BackfillJobSerializer(job, context={"request": request}).data


def _job(job_id: str) -> BackfillJob:
    try:
        return BackfillJob.objects.get(pk=UUID(job_id))
    except (ValueError, BackfillJob.DoesNotExist):
        raise NotFound(f"Backfill job {job_id} not found") from None
