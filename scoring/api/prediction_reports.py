"""Report endpoint on predictions and their scores."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition, ParticipantModel, Prediction
from competitions.reporting import CompetitionPageQuery, list_report
from core import clock
from core.paging import Keyset, page_response
from core.rendering import Written, written
from core.requests import IdField, IdListField, InstantField, read_instant
from scoring.models import CURRENT_SCORE
from scoring.scores.statuses import WITHOUT_SCORES, reason_of

NOT_SCORED = "Prediction not scored"
DEFAULT_RANGE = timedelta(days=7)
# Django takes longer to write it than to run it.
_SCORES = f"""
    SELECT prediction_id, success, value, scored_at, failed_reason
    FROM scores AS score WHERE prediction_id = ANY(%s) AND {CURRENT_SCORE}
"""


class PredictionQuery(CompetitionPageQuery):
    limit = serializers.IntegerField(min_value=1, max_value=10_000, default=1000)
    projectIds = IdListField(required=False)  # noqa: N815  the protocol's spelling
    start = InstantField(
        required=False, help_text="First slot. Without it: seven days before `end`."
    )
    end = InstantField(
        required=False, help_text="Slots before this instant. Without it: now."
    )
    scope_key = IdField(required=False)


class PredictionRow(serializers.Serializer[Any]):
    """A prediction and its score; `score_failed` is true until it has one."""

    model_id = serializers.CharField()
    prediction_config_id = serializers.CharField(read_only=True)
    scope_key = serializers.CharField()
    scope = serializers.DictField()
    score_value = serializers.FloatField(default=None, allow_null=True)
    score_failed = serializers.BooleanField(read_only=True)
    score_failed_reason = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="A model's own texts are for its owner and operators; others get"
        " their code.",
    )
    scored_at = serializers.DateTimeField(default=None, allow_null=True)
    performed_at = serializers.DateTimeField()


@list_report(PredictionQuery, PredictionRow(many=True))
def predictions(
    request: Request, query: dict[str, Any], competition: Competition
) -> Response:
    """Return the newest predictions of a range, ascending; pages go back in time."""
    end = query.get("end", clock.now())
    rows = Prediction.objects.filter(round__competition=competition).between(
        query.get("start", end - DEFAULT_RANGE), end
    )
    if model_ids := query.get("projectIds"):
        wanted = ParticipantModel.objects.filter(
            competition=competition, model_id__in=model_ids
        )
        keys = wanted.order_by().values_list("pk", flat=True)
        rows = rows.filter(model__in=list(keys))
    if "scope_key" in query:
        rows = rows.in_scope(query["scope_key"])
    # Ordered by the round: the index of a competition's rounds serves any page.
    order = Keyset("round__slot_at", read_instant, descending=True)
    page, following = order.page_of_values(
        rows.told_to(request.user),
        (
            *("model__model_id", "round__scheduled_prediction_id"),
            *("round__scope_key", written("round__scope"), "round__status"),
            *("round__reason", "outcome", "told_reason", "performed_at"),
        ),
        limit=query["limit"],
        cursor=query.get("cursor"),
    )
    asked = [_AskedModel(*values) for values in page[::-1]]
    scores = _scores_of(asked)
    data = [_prediction_row(each, scores.get(each.pk)) for each in asked]
    return page_response(request, data, following)


class _AskedModel(NamedTuple):
    """A prediction of a page, as the statement of `predictions` gives it."""

    model_id: str
    config: int
    scope_key: str
    scope: Written
    round_status: str
    round_reason: str
    outcome: str
    reason: str
    performed_at: datetime
    slot_at: datetime
    pk: int


class _Scored(NamedTuple):
    success: bool
    value: float | None
    scored_at: datetime
    failed_reason: str


def _scores_of(page: Sequence[_AskedModel]) -> dict[int, _Scored]:
    """Return the scores that count of predictions, in one statement."""
    counting = [each.pk for each in page if each.round_status not in WITHOUT_SCORES]
    with connection.cursor() as cursor:
        cursor.execute(_SCORES, [counting])
        return {prediction: _Scored(*row) for prediction, *row in cursor.fetchall()}


def _prediction_row(asked: _AskedModel, score: _Scored | None) -> dict[str, Any]:
    why = reason_of(
        outcome=asked.outcome,
        reason=asked.reason,
        round_status=asked.round_status,
        round_reason=asked.round_reason,
        failed=score.failed_reason if score else "",
    )
    # As `statuses.with_status` derives it.
    is_scored = score is not None and score.success
    return {
        "model_id": asked.model_id,
        "prediction_config_id": f"CFG_{asked.config:03d}",
        "scope_key": asked.scope_key,
        "scope": asked.scope,
        "score_value": score.value if score else None,
        "score_failed": not is_scored,
        "score_failed_reason": None
        if is_scored
        else why or asked.round_reason or NOT_SCORED,
        "scored_at": score.scored_at if score else None,
        "performed_at": asked.performed_at,
    }
