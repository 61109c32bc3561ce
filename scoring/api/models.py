"""Report endpoints on models: figures, history, reasons."""

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import OuterRef, QuerySet, Subquery
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition, ParticipantModel, Prediction
from competitions.reporting import (
    CompetitionPageQuery,
    CompetitionQuery,
    finite_numbers,
    list_report,
)
from competitions.wiring import wiring_of
from core import clock
from core.grid import Period
from core.paging import Keyset, page_response
from core.requests import (
    IdListField,
    InstantField,
    read_instant,
)
from scoring.api.prediction_reports import DEFAULT_RANGE
from scoring.board.ranking import Standing, ranking_figure
from scoring.board.scope_figures import scope_figures
from scoring.board.standings import standings
from scoring.models import Snapshot


class RangeQuery(CompetitionQuery):
    projectIds = IdListField(required=False)  # noqa: N815  the protocol's spelling
    start = InstantField(
        required=False, help_text="Without it: seven days before `end`."
    )
    end = InstantField(required=False, help_text="Without it: now.")
    include_ensembles = serializers.BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("end", clock.now())
        attrs.setdefault("start", attrs["end"] - DEFAULT_RANGE)
        if attrs["start"] >= attrs["end"]:
            raise ValidationError(
                f"the range was [{attrs['start']}, {attrs['end']}); start must be"
                f" before end"
            )
        return attrs


class RangePageQuery(RangeQuery, CompetitionPageQuery):
    limit = serializers.IntegerField(min_value=1, max_value=10_000, default=1000)


class Envelope(serializers.Serializer[Any]):
    """A model's figures; they are at the top level too, under their names."""

    model_id = serializers.CharField()
    score_metrics = serializers.DictField(child=serializers.FloatField(allow_null=True))
    score_ranking = serializers.DictField()
    performed_at = serializers.DateTimeField(allow_null=True)


class ScopeEnvelope(Envelope):
    scope_key = serializers.CharField()
    scope = serializers.DictField()


class SummaryRow(serializers.Serializer[Any]):
    """A snapshot, with its numbers at the top level, under their names."""

    model_id = serializers.CharField()
    performed_at = serializers.DateTimeField()
    prediction_count = serializers.IntegerField()


@list_report(RangeQuery, Envelope(many=True))
def models_global(
    request: Request,  # noqa: ARG001  a report
    query: dict[str, Any],
    competition: Competition,
) -> Response:
    """Return windowed figures of each model as of `end`, best first."""
    wanted = _wanted(competition, query)
    asked = dict(
        wanted.annotate(
            asked_at=Subquery(
                Prediction.objects.filter(
                    model=OuterRef("pk"), performed_at__lt=query["end"]
                )
                .order_by("-performed_at")
                .values("performed_at")[:1]
            )
        ).values_list("pk", "asked_at")
    )
    lines = standings(
        competition=competition,
        wiring=wiring_of(competition),
        as_of=query["end"],
    )
    return Response(
        [
            _envelope(line, competition, asked[line.model.pk])
            for line in lines
            if line.model.pk in asked and _has_scores(line)
        ]
    )


def _has_scores(line: Standing) -> bool:
    return any(sample["count"] for sample in line.samples.values())


def _envelope(
    line: Standing, competition: Competition, asked_at: datetime | None
) -> dict[str, Any]:
    config = wiring_of(competition).config
    return {
        **line.metrics,
        "model_id": line.model.model_id,
        "score_metrics": line.metrics,
        "score_ranking": ranking_figure(config, line.value),
        "performed_at": asked_at,
    }


@list_report(RangeQuery, ScopeEnvelope(many=True))
def models_params(
    request: Request,  # noqa: ARG001  a report
    query: dict[str, Any],
    competition: Competition,
) -> Response:
    """Return windowed means of each model and scope as of `end`, over the range."""
    names = dict(_wanted(competition, query).values_list("pk", "model_id"))
    config = wiring_of(competition).config
    rows = scope_figures(
        competition=competition,
        config=config,
        models=list(names),
        period=Period(query["start"], query["end"]),
    )
    key = config.aggregation.ranking_key
    return Response(
        [
            {
                **row.metrics,
                "model_id": names[row.model],
                "scope_key": row.scope_key,
                "scope": row.scope,
                "score_metrics": row.metrics,
                "score_ranking": ranking_figure(config, row.metrics.get(key)),
                "performed_at": row.performed_at,
            }
            for row in rows
        ]
    )


@list_report(RangePageQuery, SummaryRow(many=True))
def models_metrics(
    request: Request, query: dict[str, Any], competition: Competition
) -> Response:
    """Return one row per snapshot of the range, oldest first."""
    page, following = Keyset("period_end", read_instant).page_of_values(
        _snapshots(competition, query),
        _SUMMED,
        limit=query["limit"],
        cursor=query.get("cursor"),
    )
    return page_response(
        request, [_summary(_Summed(*row[:-2])) for row in page], following
    )


@list_report(RangeQuery, SummaryRow(many=True))
def models_summary(
    request: Request,  # noqa: ARG001  a report
    query: dict[str, Any],
    competition: Competition,
) -> Response:
    """Return the newest snapshot of each model in the range."""
    rows = (
        _snapshots(competition, query)
        .order_by("model_id", "-period_end")
        .distinct("model_id")
        .values_list(*_SUMMED)
    )
    return Response([_summary(_Summed(*row)) for row in rows])


class _Summed(NamedTuple):
    """A snapshot as `_SUMMED` selects it."""

    model_id: str
    period_end: datetime
    is_closed: bool
    updated_at: datetime
    prediction_count: int
    result_summary: dict[str, Any]


_SUMMED = ("model__model_id", *_Summed._fields[1:])


def _summary(summed: _Summed) -> dict[str, Any]:
    at = summed.period_end if summed.is_closed else summed.updated_at
    return {
        **finite_numbers(summed.result_summary),
        "model_id": summed.model_id,
        "performed_at": at,
        "prediction_count": summed.prediction_count,
    }


def _snapshots(competition: Competition, query: dict[str, Any]) -> QuerySet[Snapshot]:
    return Snapshot.objects.current().filter(
        model__in=_wanted(competition, query),
        period_end__gt=query["start"],
        period_start__lt=query["end"],
    )


def _wanted(
    competition: Competition, query: dict[str, Any]
) -> QuerySet[ParticipantModel]:
    """Return the requested models; ensembles only if the query includes them."""
    models = ParticipantModel.objects.filter(competition=competition)
    if not query["include_ensembles"]:
        models = models.filter(is_virtual=False)
    if ids := query.get("projectIds"):
        models = models.filter(model_id__in=ids)
    return models
