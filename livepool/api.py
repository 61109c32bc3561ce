"""The report API of the live pool: what is current, what was, and is it in time."""

from typing import Any

from django.db.models import Q
from django.http import Http404, HttpResponse
from django.utils.http import quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from livepool import rollback, schedule
from livepool.artifacts import FILES
from livepool.models import Release

PAGE_DEFAULT, PAGE_MOST = 24, 100


class ReleaseSerializer(serializers.ModelSerializer[Release]):
    """One version of the pool; `symbols` is its order."""

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
    """`state` is none, fresh, late (a newer release should be there) or stale."""

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
    """Filters of the list; anything else is refused by name."""

    limit = serializers.IntegerField(
        min_value=1, max_value=PAGE_MOST, default=PAGE_DEFAULT
    )
    cursor = serializers.RegexField(r"^\d{4}-\d{2}-\d{2}\.\d+$", required=False)
    mode = serializers.CharField(max_length=40, required=False)
    status = serializers.ChoiceField(choices=Release.Status.values, required=False)


class Current(APIView):
    """The release that consumers are on."""

    @extend_schema(operation_id="livepool_current", responses=ReleaseDetailSerializer)
    def get(self, request: Request) -> Response:
        release = Release.objects.current()
        if release is None:
            raise Http404("no release was published yet")
        return Response(ReleaseDetailSerializer(release).data)


class Releases(APIView):
    """All releases that this site knows, newest first."""

    @extend_schema(
        operation_id="livepool_releases",
        parameters=[
            OpenApiParameter("limit", int, description=f"1 to {PAGE_MOST}."),
            OpenApiParameter("cursor", str, description="`next` of the page before."),
            OpenApiParameter("mode", str),
            OpenApiParameter("status", str, enum=Release.Status.values),
        ],
        responses=ReleasePageSerializer,
    )
    def get(self, request: Request) -> Response:
        query = Query(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        filters = {k: wanted[k] for k in ("mode", "status") if k in wanted}
        rows = Release.objects.filter(**filters).order_by("-as_of_date", "-pk")
        if "cursor" in wanted:
            day, _, key = wanted["cursor"].partition(".")
            rows = rows.filter(_before(day, int(key)))
        page = list(rows.defer("ranking", "universe")[: wanted["limit"] + 1])
        more = len(page) > wanted["limit"]
        page = page[: wanted["limit"]]
        last = page[-1] if more else None
        return Response(
            {
                "results": ReleaseSerializer(page, many=True).data,
                "next": f"{last.as_of_date}.{last.pk}" if last else None,
            }
        )


def _before(day: str, key: int) -> Q:
    try:
        parsed = serializers.DateField().to_internal_value(day)
    except serializers.ValidationError:
        raise ValidationError({"cursor": [f"{day} is not a date"]}) from None
    return Q(as_of_date__lt=parsed) | Q(as_of_date=parsed, pk__lt=key)


class ReleaseDetail(APIView):
    """One version: the newest revision of it."""

    @extend_schema(operation_id="livepool_release", responses=ReleaseDetailSerializer)
    def get(self, request: Request, version: str) -> Response:
        release = Release.objects.filter(version=version).newest_first().first()
        if release is None:
            raise Http404(f"there is no release {version}")
        return Response(ReleaseDetailSerializer(release).data)


class ReleaseFile(APIView):
    """A file of a version, byte for byte as it was published."""

    @extend_schema(
        operation_id="livepool_release_file",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, version: str, name: str) -> HttpResponse:
        release = (
            Release.objects.exclude(published_at=None)
            .filter(version=version)
            .newest_first()
            .first()
        )
        if release is None or name not in FILES.values():
            raise Http404(f"there is no {name} of {version}")
        data = rollback.files_of(version).get(name)
        if data is None:
            raise Http404(f"the store holds no {name} of {version}")
        kind = "text/csv" if name.endswith(".csv") else "application/json"
        headers = {"ETag": quote_etag(release.checksums[name])}
        return HttpResponse(data, content_type=kind, headers=headers)


class Status(APIView):
    """Is the pool fresh, and when is the next one expected?"""

    @extend_schema(operation_id="livepool_status", responses=StatusSerializer)
    def get(self, request: Request) -> Response:
        return Response(StatusSerializer(schedule.status().to_dict()).data)
