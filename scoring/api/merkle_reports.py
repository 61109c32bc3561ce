"""Report endpoints on closed periods as cycles of trees, with proofs of snapshots."""

import json
from typing import Any

from django.db.models import OuterRef, Subquery
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition
from competitions.reporting import CompetitionPageQuery, list_report
from core.paging import LARGEST_INT, Keyset, page_response, read_int
from core.requests import InstantField, read_query
from proofs.models import LogLeaf, LogLeafQuerySet
from scoring.merkle_cycles import prove_snapshot
from scoring.models import Snapshot
from scoring.snapshots.period_leaves import entries_of

PREFIX, OF_SNAPSHOT = "CYC_", "SNAP_"


class CycleQuery(CompetitionPageQuery):
    since = InstantField(required=False, help_text="Cycles from this instant on.")
    until = InstantField(required=False, help_text="Cycles before this instant.")
    limit = serializers.IntegerField(min_value=1, max_value=500, default=50)


class CycleRow(serializers.Serializer[Any]):
    id = serializers.CharField()
    previous_cycle_id = serializers.CharField(allow_null=True)
    previous_cycle_root = serializers.CharField(allow_null=True)
    snapshots_root = serializers.CharField()
    chained_root = serializers.CharField(
        help_text="SHA-256 of 1, the previous chained root and `snapshots_root`."
    )
    snapshot_count = serializers.IntegerField()
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()
    revision = serializers.IntegerField()
    log_index = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()


class PathStepRow(serializers.Serializer[Any]):
    hash = serializers.CharField()
    position = serializers.ChoiceField(["left", "right"])


class SnapshotProofQuery(serializers.Serializer[Any]):
    snapshot_id = serializers.RegexField(
        rf"^(?:{OF_SNAPSHOT})?[0-9]{{1,18}}$",
        help_text="As `/reports/snapshots` has it.",
    )


class SnapshotProofRow(serializers.Serializer[Any]):
    snapshot_id = serializers.SerializerMethodField()
    snapshot_content_hash = serializers.CharField(source="snapshot.content_hash")
    cycle_id = serializers.SerializerMethodField()
    cycle_root = serializers.CharField()
    checkpoint_id = serializers.CharField(allow_null=True)
    merkle_root = serializers.CharField(allow_null=True)
    path = PathStepRow(many=True, help_text="From the content hash to `cycle_root`.")
    checkpoint_path = PathStepRow(
        many=True, help_text="From `cycle_root` to `merkle_root`, the checkpoint's."
    )
    proof = serializers.CharField(
        allow_null=True, help_text="The cycle in the log, as a `.tlog-proof`."
    )

    def get_snapshot_id(self, found: Any) -> str:
        return f"{OF_SNAPSHOT}{found.snapshot.pk}"

    def get_cycle_id(self, found: Any) -> str:
        return f"{PREFIX}{found.cycle.pk}"


@list_report(CycleQuery, CycleRow(many=True))
def cycles(
    request: Request, query: dict[str, Any], competition: Competition
) -> Response:
    """Return the closed periods as they were committed to, the oldest first."""
    rows = entries_of(competition)
    if "since" in query:
        rows = rows.filter(at__gte=query["since"])
    if "until" in query:
        rows = rows.filter(at__lt=query["until"])
    page, following = Keyset("pk", read_int).page(
        _with_previous(rows), limit=query["limit"], cursor=query.get("cursor")
    )
    data = CycleRow([_row(leaf) for leaf in page], many=True).data
    return page_response(request, data, following)


@extend_schema(responses=CycleRow)
@api_view(["GET"])
def one_cycle(request: Request, cycle_id: str) -> Response:
    """Return one closed period as it was committed to."""
    number = cycle_id.removeprefix(PREFIX)
    seen = Competition.objects.seen_by(request.user).order_by().values("pk")
    rows = LogLeaf.objects.filter(kind=LogLeaf.Kind.PERIOD, competition__in=seen)
    is_number = number.isascii() and number.isdigit() and len(number) < 19
    leaf = _with_previous(rows).filter(pk=int(number)).first() if is_number else None
    if leaf is None:
        raise NotFound(
            f"cycle was {cycle_id!r}; there is none with that id.",
            code="cycle_not_found",
        )
    return Response(CycleRow(_row(leaf)).data)


@extend_schema(parameters=[SnapshotProofQuery], responses=SnapshotProofRow)
@api_view(["GET"])
def snapshot_proof(request: Request) -> Response:
    """Return how a closed snapshot leads to its cycle, its checkpoint and the log."""
    asked = read_query(SnapshotProofQuery, request)["snapshot_id"]
    seen = Competition.objects.seen_by(request.user).order_by().values("pk")
    snapshot = (
        Snapshot.objects.filter(
            pk=min(int(asked.removeprefix(OF_SNAPSHOT)), LARGEST_INT),
            model__competition__in=seen,
        )
        .select_related("model__competition")
        .first()
    )
    if snapshot is None:
        raise NotFound(
            f"snapshot_id was {asked!r}; there is none with that id.",
            code="snapshot_not_found",
        )
    found = prove_snapshot(snapshot.model.competition, snapshot)
    return Response(SnapshotProofRow(found).data)


def _with_previous(rows: LogLeafQuerySet) -> LogLeafQuerySet:
    before = LogLeaf.objects.filter(
        kind=LogLeaf.Kind.PERIOD,
        competition=OuterRef("competition"),
        pk__lt=OuterRef("pk"),
    )
    previous = Subquery(before.order_by("-pk").values("pk")[:1])
    return rows.annotate(previous=previous).only("index", "entry", "at")


def _row(leaf: Any) -> dict[str, Any]:
    body = json.loads(leaf.text)
    return {
        "id": f"{PREFIX}{leaf.pk}",
        "previous_cycle_id": leaf.previous and f"{PREFIX}{leaf.previous}",
        "previous_cycle_root": body["previous"],
        "snapshots_root": body["root"],
        "chained_root": body["chained_root"],
        "snapshot_count": body["snapshots"],
        "period_start": body["period_start"],
        "period_end": body["period_end"],
        "revision": body["revision"],
        "log_index": leaf.index,
        "created_at": leaf.at,
    }
