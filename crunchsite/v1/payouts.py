"""The ledger of payouts, disputes, and what the open period would pay."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.reporting import CompetitionQuery, chosen_competition
from core.paging import LARGEST_INT, Keyset
from core.requests import InstantField, read_instant, read_query
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.filters import Filters, reads
from crunchsite.v1.lists import CompetitionListView
from crunchsite.v1.schema import PAYOUTS, list_operation
from emissions.models import Dispute, PayoutEntry
from emissions.preview import preview

LINES = (
    Column("id", Kind.INTEGER),
    Column("checkpoint_id", Kind.INTEGER),
    Column("period_end", Kind.INSTANT, "checkpoint__period_end"),
    Column("cruncher_index", Kind.INTEGER),
    Column("kind", Kind.TEXT, help="DUE, PAID or ADJUSTMENT."),
    Column(
        "amount",
        Kind.INTEGER,
        help="Billionths of what the checkpoint pays; an adjustment has a sign.",
    ),
    Column("reason", Kind.TEXT, help="Why a share was moved."),
    Column("created_at", Kind.INSTANT),
)
DISPUTES = (
    Column("id", Kind.INTEGER),
    Column("checkpoint_id", Kind.INTEGER),
    Column("state", Kind.TEXT, help="OPEN, UPHELD or REJECTED."),
    Column("reason", Kind.TEXT),
    Column("answer", Kind.TEXT),
    Column("created_at", Kind.INSTANT),
    Column("answered_at", Kind.INSTANT),
)


class _OfCheckpoints(Filters):
    since = reads(InstantField(help_text="Written from here on."), "created_at", "gte")
    until = reads(InstantField(help_text="Written before this."), "created_at", "lt")
    checkpoint = reads(
        serializers.IntegerField(min_value=1, max_value=LARGEST_INT), "checkpoint_id"
    )


class LedgerFilters(_OfCheckpoints):
    cruncher_index = reads(
        serializers.IntegerField(min_value=0, max_value=2**31 - 1), "cruncher_index"
    )
    entry_kind = reads(serializers.ChoiceField(PayoutEntry.Kind.choices), "kind")


@list_operation(PAYOUTS, "LedgerItem", "List what is due, was paid and was moved")
class LedgerList(CompetitionListView):
    """The lines of the ledger, the newest first; a line never changes.

    Due and adjustments less what was paid is what remains.
    """

    queryset = PayoutEntry.objects.all()
    columns = LINES
    order = Keyset("created_at", read_instant, descending=True)
    filterset_class = LedgerFilters
    competition_path = "checkpoint__competition"
    has_files = True
    written = "created_at"


class DisputeFilters(_OfCheckpoints):
    state = reads(serializers.ChoiceField(Dispute.State.choices), "state")


@list_operation(PAYOUTS, "DisputeItem", "List disputes of checkpoints")
class DisputeList(CompetitionListView):
    """Objections to checkpoints and their answers, the newest first."""

    queryset = Dispute.objects.all()
    columns = DISPUTES
    order = Keyset("created_at", read_instant, descending=True)
    filterset_class = DisputeFilters
    competition_path = "checkpoint__competition"


class PreviewLine(serializers.Serializer[Any]):
    rank = serializers.IntegerField()
    model_id = serializers.CharField()
    model_name = serializers.CharField()
    cruncher_index = serializers.IntegerField(allow_null=True)
    prediction_count = serializers.IntegerField()
    coverage = serializers.FloatField()
    ranking_value = serializers.FloatField(allow_null=True)
    reward_frac64 = serializers.IntegerField(
        allow_null=True, help_text="`null` where an operator's builder decides."
    )


class UnpaidLine(serializers.Serializer[Any]):
    model_id = serializers.CharField()
    model_name = serializers.CharField()
    reason = serializers.CharField()


class PeriodPreview(serializers.Serializer[Any]):
    """What a period would pay if it ended now; `null` where there is none."""

    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()
    strategy = serializers.CharField()
    rounds_asked = serializers.IntegerField()
    ranking = PreviewLine(many=True)
    unpaid = UnpaidLine(many=True)


class PreviewAnswer(serializers.Serializer[Any]):
    preview = PeriodPreview(allow_null=True)


@extend_schema_view(
    get=extend_schema(
        tags=[PAYOUTS],
        summary="Preview the open period",
        parameters=[CompetitionQuery],
        responses=PreviewAnswer,
    )
)
class PreviewOfPeriod(GenericAPIView[Any]):
    """What the open period would pay if it ended with what is known now."""

    serializer_class = PreviewAnswer

    def get(self, request: Request) -> Response:
        query = read_query(CompetitionQuery, request)
        competition = chosen_competition(query, request.user)
        found = preview(competition) if competition else None
        if found is None:
            return Response({"preview": None})
        ranking = found.payees.ranking
        shares: Sequence[int | None] = found.shares or [None] * len(ranking)
        told = {
            "period_start": found.period.start,
            "period_end": found.period.end,
            "strategy": found.rule.strategy,
            "rounds_asked": found.payees.rounds_asked,
            "ranking": [
                {**entry, "reward_frac64": share}
                for entry, share in zip(ranking, shares, strict=True)
            ],
            "unpaid": found.payees.unpaid,
        }
        return Response({"preview": PeriodPreview(told).data})
