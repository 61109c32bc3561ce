"""Acts on backfills: a job is started, read as it goes on, and cancelled."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from crunchsite.v1.acts.act import OPERATE, ActView, posts
from feeds.api import (
    BackfillJobDetail,
    BackfillJobs,
    BackfillJobSerializer,
    BackfillRequestSerializer,
    JobsQuery,
    cancel_job,
    start_job,
)


@extend_schema_view(
    get=extend_schema(
        tags=[OPERATE],
        operation_id="v1_backfills_list",
        parameters=[JobsQuery],
        responses=BackfillJobSerializer(many=True),
    ),
    post=posts(
        OPERATE,
        BackfillRequestSerializer,
        BackfillJobSerializer,
        status=201,
        asked={
            "source": "simulated",
            "subject": "BTCUSDT",
            "start": "2026-03-01T00:00:00Z",
            "end": "2026-03-02T00:00:00Z",
            "sink": "tape",
        },
    ),
)
class Backfills(BackfillJobs, ActView):
    """The newest jobs first; or start one, which a worker takes up."""

    write_permission = "feeds.start_backfilljob"

    def act(self, request: Request) -> Response:
        """Start a backfill, which a worker takes up."""
        return start_job(request)


@extend_schema_view(get=extend_schema(tags=[OPERATE], responses=BackfillJobSerializer))
class OneBackfill(BackfillJobDetail):
    """One job and how far it has come."""


@extend_schema_view(post=posts(OPERATE, None, BackfillJobSerializer))
class CancelBackfill(ActView):
    """End an unfinished job; what it wrote stays."""

    write_permission = "feeds.cancel_backfilljob"

    def act(self, request: Request, job_id: str) -> Response:
        return cancel_job(request, job_id)
