"""The report API of the live pool: the current release, earlier ones, the status."""

from datetime import date
from typing import Any

from django.http import HttpResponse
from django.utils.http import quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.paging import LONGEST_CURSOR, Keyset
from core.requests import IdField, read_query
from livepool.artifacts import FILES
from livepool.models import Release
from livepool.release import rollback, schedule

PAGE_DEFAULT, PAGE_MOST = 24, 100
NEWEST_FIRST = Keyset("as_of_date", date.fromisoformat, descending=True)
# Releases that were never published are shown only to operators, in the admin.
SHOWN = [
    status
    for status in Release.Status
    if status not in (Release.Status.PENDING, Release.Status.FAILED)
]


class ReleaseSerializer(serializers.ModelSerializer[Release]):
    """One version of the pool; `symbols` is its order.

    `storage_prefix` is its address in a cloud store; of a store that is a folder of the
    site's own machine, its name below that folder.
    """

    storage_prefix = serializers.CharField(source="shown_prefix")

    class Meta:
        model = Release
        fields: Any = (
            *("version", "mode", "as_of_date", "revision", "status", "symbols"),
            *("symbol_map", "source_project", "regime", "checksums"),
            *("storage_prefix", "reason", "published_at", "activated_at"),
        )


class ReleaseDetailSerializer(ReleaseSerializer):
    """A version with its universe and the rows of its ranking."""

    class Meta(ReleaseSerializer.Meta):
        fields = (*ReleaseSerializer.Meta.fields, "universe", "ranking")


class ReleasePageSerializer(serializers.Serializer[Any]):
    """Releases, newest first; `next` is the cursor of the following page."""

    results = ReleaseSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class StatusSerializer(serializers.Serializer[Any]):
    """`state` is none, fresh, late (a newer release should be there) or stale.

    `last_error` says why a newer release, or any at all, is not there.
    """

    state = serializers.ChoiceField(choices=["none", "fresh", "late", "stale"])
    version = serializers.CharField(allow_null=True)
    as_of_date = serializers.DateField(allow_null=True)
    age_days = serializers.IntegerField(allow_null=True)
    max_age_days = serializers.IntegerField()
    activated_at = serializers.DateTimeField(allow_null=True)
    next_expected_by = serializers.DateTimeField()
    publish_enabled = serializers.BooleanField()
    last_error = serializers.CharField(allow_null=True)
    last_error_version = serializers.CharField(allow_null=True)


class Query(serializers.Serializer[Any]):
    """Choose releases, and how many at once."""

    limit = serializers.IntegerField(
        min_value=1, max_value=PAGE_MOST, default=PAGE_DEFAULT
    )
    cursor = serializers.CharField(
        required=False,
        max_length=LONGEST_CURSOR,
        help_text="`next` of the page before.",
    )
    mode = IdField(max_length=40, required=False)
    status = serializers.ChoiceField(choices=SHOWN, required=False)


class Current(APIView):
    """Return the release that is current for consumers."""

    @extend_schema(operation_id="livepool_current", responses=ReleaseDetailSerializer)
    def get(self, request: Request) -> Response:
        release = Release.objects.current()
        if release is None:
            raise NotFound("No release was published yet.")
        return Response(ReleaseDetailSerializer(release).data)


class Releases(APIView):
    """Return all releases that were published, newest first."""

    @extend_schema(
        operation_id="livepool_releases",
        parameters=[Query],
        responses=ReleasePageSerializer,
    )
    def get(self, request: Request) -> Response:
        query = read_query(Query, request)
        filters = {k: query[k] for k in ("mode", "status") if k in query}
        rows = (
            Release.objects.ever_published()
            .filter(**filters)
            .defer("ranking", "universe")
        )
        page, following = NEWEST_FIRST.page(
            rows, limit=query["limit"], cursor=query.get("cursor")
        )
        return Response(
            {"results": ReleaseSerializer(page, many=True).data, "next": following}
        )


class ReleaseDetail(APIView):
    """Return one published version: its newest revision."""

    @extend_schema(operation_id="livepool_release", responses=ReleaseDetailSerializer)
    def get(self, request: Request, version: str) -> Response:
        release = _release(version)
        return Response(ReleaseDetailSerializer(release).data)


class ReleaseFile(APIView):
    """Return a file of a version, byte for byte as published."""

    @extend_schema(
        operation_id="livepool_release_file",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, version: str, name: str) -> HttpResponse:
        release = _release(version)
        data = rollback.files_of(version).get(name) if name in FILES.values() else None
        if data is None:
            raise NotFound(f"{version} has no file {name} in the store.")
        kind = "text/csv" if name.endswith(".csv") else "application/json"
        headers = {"ETag": quote_etag(release.checksums[name])}
        return HttpResponse(data, content_type=kind, headers=headers)


class PoolStatusView(APIView):
    """Return whether the pool is fresh, and when the next release is expected."""

    @extend_schema(operation_id="livepool_status", responses=StatusSerializer)
    def get(self, request: Request) -> Response:
        status = schedule.status().told_to(request.user)
        return Response(StatusSerializer(status.to_dict()).data)


def _release(version: str) -> Release:
    known = Release.objects.ever_published().filter(version=version)
    release = known.newest_first().first()
    if release is None:
        raise NotFound(f"There is no release {version}.")
    return release
