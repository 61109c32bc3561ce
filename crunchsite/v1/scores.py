"""Scores: what each prediction was worth."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from competitions.models import ParticipantModel
from core.paging import Keyset
from core.requests import IdField, IdListField, InstantField, read_instant
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.filters import CheckedFilter, Filters, reads
from crunchsite.v1.lists import CompetitionListView
from crunchsite.v1.queries import CompetitionListQuery
from crunchsite.v1.schema import BOARDS, list_operation
from scoring.models import Score

COLUMNS = (
    Column("id", Kind.INTEGER),
    Column("prediction_id", Kind.INTEGER),
    Column("round_id", Kind.INTEGER, "prediction__round_id"),
    Column("slot_at", Kind.INSTANT, "prediction__round__slot_at"),
    Column("scope_key", Kind.TEXT, "prediction__round__scope_key"),
    Column("model_id", Kind.TEXT, "model__model_id"),
    Column("scoring_version", Kind.INTEGER, help="Rises with each rescoring."),
    Column("value", Kind.NUMBER),
    Column("success", Kind.BOOLEAN),
    Column("failed_reason", Kind.TEXT),
    Column("result", Kind.JSON),
    Column("scored_at", Kind.INSTANT),
)


class ScoreListQuery(CompetitionListQuery):
    as_of = InstantField(
        required=False,
        help_text="What had been scored before this, and which score counted then.",
    )
    include_superseded = serializers.BooleanField(
        default=False, help_text="Also those that a rescoring has replaced."
    )


class ModelsFilter(CheckedFilter):
    """Choose models by their ids, through their keys.

    When there is one key, the database sees that an index has the model's scores in the
    order of the pages. A key of another competition's model matches no row.
    """

    def filter(self, rows: Any, value: Any) -> Any:
        if not value:
            return rows
        models = ParticipantModel.objects.filter(model_id__in=value)
        return rows.filter(model__in=list(models.values_list("pk", flat=True)))


class ScoreFilters(Filters):
    since = reads(InstantField(help_text="Scored from here on."), "scored_at", "gte")
    until = reads(InstantField(help_text="Scored before this."), "scored_at", "lt")
    model_id = reads(IdListField(), by=ModelsFilter)
    scope_key = reads(IdField(), "prediction__round__scope_key")
    success = reads(serializers.BooleanField(), "success")


@list_operation(BOARDS, "ScoreItem", "List scores")
class ScoreList(CompetitionListView):
    """The score of each prediction that counts, the newest first; a row never changes.

    A rescoring adds rows, which take the place of those before.
    """

    queryset = Score.objects.all()
    columns = COLUMNS
    order = Keyset("scored_at", read_instant, descending=True)
    query_class = ScoreListQuery
    filterset_class = ScoreFilters
    competition_path = "prediction__round__competition"
    has_files = True

    def rows(self, query: dict[str, Any]) -> QuerySet[Any]:
        rows: Any = super().rows(query)
        as_of = query.get("as_of")
        known: QuerySet[Any]
        if query["include_superseded"]:
            self.written = "scored_at"  # no row leaves this list
            known = rows.filter(scored_at__lt=as_of) if as_of else rows
        else:
            known = rows.current_at(as_of) if as_of else rows.current()
        return known
