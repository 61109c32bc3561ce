"""Predictions: what each model answered in each round."""

from datetime import datetime
from typing import Any

from django.db.models import Case, F, QuerySet, When
from django.db.models.functions import Coalesce
from rest_framework import serializers

from competitions.models import Prediction
from competitions.models.told_failures import reads_texts
from core.paging import Keyset
from core.requests import IdField, IdListField, InstantField, read_instant
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.filters import Filters, reads
from crunchsite.v1.lists import CompetitionListView
from crunchsite.v1.schema import ROUNDS, list_operation

COLUMNS = (
    Column("id", Kind.INTEGER),
    Column("round_id", Kind.INTEGER),
    Column("slot_at", Kind.INSTANT, "round__slot_at"),
    Column("scope_key", Kind.TEXT, "round__scope_key"),
    Column("model_id", Kind.TEXT, "model__model_id"),
    Column("outcome", Kind.TEXT),
    Column("code", Kind.TEXT, help="What kind of failure it is; empty for an answer."),
    Column(
        "reason",
        Kind.TEXT,
        "told_reason",
        help="Why it is no answer: for its owner and operators; for others its code.",
    ),
    Column(
        "output",
        Kind.JSON,
        "told_output",
        help="Of a failure what was refused: for its owner and operators.",
    ),
    Column("exec_time_us", Kind.INTEGER),
    Column("performed_at", Kind.INSTANT),
)


# When a row came: that of an ensemble is made once its round is resolved.
CAME_AT = Case(
    When(
        model__is_virtual=True, then=Coalesce("round__resolved_at", F("performed_at"))
    ),
    default=F("performed_at"),
)


class PredictionFilters(Filters):
    since = reads(
        InstantField(help_text="Slots from here on."), "round__slot_at", "gte"
    )
    until = reads(InstantField(help_text="Slots before this."), "round__slot_at", "lt")
    as_of = reads(
        InstantField(help_text="What had been asked before this."), "came_at", "lt"
    )
    model_id = reads(IdListField(), "model__model_id", "in")
    scope_key = reads(IdField(), "round__scope_key")
    outcome = reads(serializers.ChoiceField(Prediction.Outcome.choices), "outcome")


@list_operation(ROUNDS, "PredictionItem", "List predictions")
class PredictionList(CompetitionListView):
    """Answers as they were given, the newest slot first; a row never changes.

    Join them with `scores` by `prediction_id`.
    """

    queryset = Prediction.objects.all()
    columns = COLUMNS
    order = Keyset("round__slot_at", read_instant, descending=True)
    filterset_class = PredictionFilters
    competition_path = "round__competition"
    has_files = True
    written = "came_at"

    def get_queryset(self) -> QuerySet[Any]:
        """Return the answers as the user may read them."""
        rows = Prediction.objects.told_to(self.request.user)
        return rows.annotate(came_at=CAME_AT)

    def fingerprint(self, *asked: Any) -> tuple[str, datetime | None]:
        """Return a file's ETag, which differs by whose texts are in it."""
        user = self.request.user
        own = getattr(user, "cruncher_id", None)
        return super().fingerprint(*asked, own, reads_texts(user, None))
