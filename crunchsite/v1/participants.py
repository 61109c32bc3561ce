"""Models that take part."""

from django.db.models import Count, OuterRef, Subquery
from rest_framework import serializers

from competitions.models import ParticipantModel, SubmittedVersion
from core.paging import Keyset, read_text
from core.requests import IdField, IdListField
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.filters import Filters, reads
from crunchsite.v1.lists import CompetitionListView
from crunchsite.v1.schema import COMPETITIONS, list_operation

COLUMNS = (
    Column("model_id", Kind.TEXT),
    Column("name", Kind.TEXT),
    Column("cruncher_id", Kind.TEXT, "cruncher__cruncher_id"),
    Column("cruncher_name", Kind.TEXT, "cruncher__name"),
    Column("cruncher_index", Kind.INTEGER, "cruncher__cruncher_index"),
    Column("deployment_id", Kind.TEXT),
    Column("state", Kind.TEXT),
    Column("is_virtual", Kind.BOOLEAN, help="Whether it is an ensemble."),
    Column(
        "excluded_at",
        Kind.INSTANT,
        help="Since when it is out of ranking and pay; `null` while it is in.",
    ),
    Column("exclusion_reason", Kind.TEXT, help="Empty while it is in."),
    Column(
        "versions",
        Kind.INTEGER,
        help="How many submitted versions have taken part; `null` where none was.",
    ),
    Column("last_seen_at", Kind.INSTANT),
    Column("created_at", Kind.INSTANT),
)

VERSIONS = Subquery(
    SubmittedVersion.objects.tried()
    .filter(competition=OuterRef("competition"), model_id=OuterRef("model_id"))
    .order_by()
    .values("model_id")
    .annotate(count=Count("pk"))
    .values("count")
)


class ModelFilters(Filters):
    model_id = reads(IdListField(), "model_id", "in")
    cruncher_id = reads(IdField(), "cruncher__cruncher_id")
    state = reads(serializers.ChoiceField(ParticipantModel.State.choices), "state")
    is_virtual = reads(serializers.BooleanField(), "is_virtual")


@list_operation(COMPETITIONS, "ModelItem", "List a competition's models")
class ModelList(CompetitionListView):
    """The models of a competition and its ensembles, by id; also those that left."""

    queryset = ParticipantModel.objects.annotate(versions=VERSIONS)
    columns = COLUMNS
    order = Keyset("model_id", read_text)
    filterset_class = ModelFilters
