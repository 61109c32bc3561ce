"""Endpoints of tournament rounds: post features and truths, get answers and scores."""

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import current_app
from django.db.models import Count
from drf_spectacular.utils import extend_schema
from kombu.exceptions import OperationalError
from rest_framework import serializers
from rest_framework.decorators import api_view, parser_classes
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.errors import TournamentMissingError
from competitions.models import Competition, Prediction, TournamentRound
from competitions.reporting import CompetitionQuery, chosen_competition
from competitions.tournament.opening import open_round
from competitions.tournament.round_ends import give_truths
from core.permissions import writes
from core.requests import IdField, LargeJsonBody, read_body, read_query
from scoring.cycle import run_cycle
from scoring.models import Score
from scoring.scores.statuses import with_status

log = structlog.get_logger(__name__)

# How long, in real time, a request waits for the worker before it answers 202.
WAIT_S, LOOK_S = 10.0, 0.1
# Requests that wait at once in a process; the web server needs its threads for others.
_MAY_WAIT = threading.BoundedSemaphore(2)
MOST_RESULTS = 10_000
# The names of the states in the API.
STATUSES = {
    TournamentRound.Status.OPEN: "open",
    TournamentRound.Status.INFERRED: "inference_complete",
    TournamentRound.Status.SCORED: "scored",
    TournamentRound.Status.VOID: "void",
}


class Features(serializers.Serializer[Any]):
    features = serializers.ListField(
        child=serializers.JSONField(),
        help_text="One object for each sample, of the contract's input type.",
    )
    scope = IdField(
        required=False,
        help_text="Scope key of a schedule; without it: the first schedule's.",
    )


class Truths(serializers.Serializer[Any]):
    ground_truth = serializers.JSONField(
        help_text="A list in the order of the samples, or an object of sample id to "
        "truth."
    )


class Inference(serializers.Serializer[Any]):
    """How far the models were asked; `status` is open until about every sample."""

    round_id = serializers.CharField()
    model_count = serializers.IntegerField()
    prediction_count = serializers.IntegerField()
    status = serializers.CharField()
    samples = serializers.IntegerField()
    samples_asked = serializers.IntegerField()
    reason = serializers.CharField(allow_blank=True)


class Result(serializers.Serializer[Any]):
    """The score of an answer; `score` is null if it could not be scored."""

    prediction_id = serializers.IntegerField()
    sample = serializers.IntegerField()
    model_id = serializers.CharField()
    score = serializers.FloatField(allow_null=True)
    success = serializers.BooleanField()
    result = serializers.DictField()
    reason = serializers.CharField(allow_blank=True)


class Scores(serializers.Serializer[Any]):
    """The scores by sample and model; of very many only the first ones."""

    round_id = serializers.CharField()
    scores_count = serializers.IntegerField()
    status = serializers.CharField()
    results = Result(many=True)


class RoundStatus(serializers.Serializer[Any]):
    """A round's state; keys without a value are missing."""

    round_id = serializers.CharField()
    status = serializers.CharField()
    total = serializers.IntegerField()
    by_status = serializers.DictField(child=serializers.IntegerField())
    model_count = serializers.IntegerField(required=False)
    samples = serializers.IntegerField(required=False)
    samples_asked = serializers.IntegerField(required=False)
    scope_key = serializers.CharField(required=False)
    reason = serializers.CharField(required=False, allow_blank=True)
    created_at = serializers.DateTimeField(required=False)
    inferred_at = serializers.DateTimeField(required=False)
    scored_at = serializers.DateTimeField(required=False)


@extend_schema(
    parameters=[CompetitionQuery],
    request=Features,
    responses={200: Inference, 202: Inference},
)
@writes("competitions.predict_competition")
@api_view(["POST"])
@parser_classes([LargeJsonBody])
def inference(request: Request, round_id: str) -> Response:
    """Open a round and have every model asked about each of its samples, in order.

    200 once all were asked, 202 while the worker is asking: repeat the request, or get
    the round's status, to see the progress.
    """
    competition = _competition(request)
    body = read_body(Features, request)
    round_ = open_round(
        competition=competition,
        round_id=round_id,
        features=body["features"],
        scope_key=body.get("scope"),
        user=request.user,
    )
    if round_.status == TournamentRound.Status.OPEN:
        _call_worker(competition)
        _wait(round_, lambda: round_.status != TournamentRound.Status.OPEN)
    facts = _facts(round_)
    answer = {
        "round_id": round_.round_id,
        "model_count": facts["model_count"],
        "prediction_count": facts["total"],
        "status": facts["status"],
        "samples": round_.samples,
        "samples_asked": round_.asked,
        "reason": round_.reason,
    }
    is_open = round_.status == TournamentRound.Status.OPEN
    return Response(Inference(answer).data, status=202 if is_open else 200)


@extend_schema(
    parameters=[CompetitionQuery],
    request=Truths,
    responses={200: Scores, 202: Scores},
)
@writes("competitions.score_competition")
@api_view(["POST"])
@parser_classes([LargeJsonBody])
def score(request: Request, round_id: str) -> Response:
    """Store a round's truths, and score it as every round is scored.

    200 with the scores, 202 while another worker is scoring.
    """
    competition = _competition(request)
    truths = read_body(Truths, request)["ground_truth"]
    round_ = _found(competition, round_id)
    if round_ is None:
        raise TournamentMissingError(f"round {round_id} was never opened.")
    give_truths(round_=round_, truths=truths, user=request.user)
    round_.refresh_from_db()
    if round_.status != TournamentRound.Status.SCORED:
        run_cycle(competition_id=competition.pk)
        _wait(round_, lambda: round_.status != TournamentRound.Status.INFERRED)
    samples = round_.rounds.resolved()  # an operator may have voided others since
    scores = Score.objects.current().filter(
        prediction__round__in=samples.order_by().values("pk")
    )
    rows = scores.order_by(
        "prediction__round__sample", "prediction__model__model_id"
    ).values(
        "prediction_id",
        "prediction__round__sample",
        "prediction__model__model_id",
        *("value", "success", "result", "failed_reason"),
    )
    answer = {
        "round_id": round_.round_id,
        "scores_count": scores.count(),
        "status": STATUSES[TournamentRound.Status(round_.status)],
        "results": [
            {
                "prediction_id": row["prediction_id"],
                "sample": row["prediction__round__sample"],
                "model_id": row["prediction__model__model_id"],
                "score": row["value"],
                "success": row["success"],
                "result": row["result"],
                "reason": row["failed_reason"],
            }
            for row in rows[:MOST_RESULTS]
        ],
    }
    is_waiting = round_.status == TournamentRound.Status.INFERRED
    return Response(Scores(answer).data, status=202 if is_waiting else 200)


@extend_schema(parameters=[CompetitionQuery], responses=RoundStatus)
@api_view(["GET"])
def status(request: Request, round_id: str) -> Response:
    """Return a round's progress, and its predictions by status; else `not_found`."""
    round_ = _found(_competition(request), round_id)
    if round_ is None:
        answer = {"status": "not_found", "total": 0, "by_status": {}}
    else:
        answer = {
            **_facts(round_),
            "samples": round_.samples,
            "samples_asked": round_.asked,
            "scope_key": round_.scheduled_prediction.scope_key,
            "reason": round_.reason,
            "created_at": round_.created_at,
            **({"inferred_at": round_.inferred_at} if round_.inferred_at else {}),
            **({"scored_at": round_.scored_at} if round_.scored_at else {}),
        }
    return Response(RoundStatus({"round_id": round_id, **answer}).data)


def _competition(request: Request) -> Competition:
    query = read_query(CompetitionQuery, request)
    competition = chosen_competition(query, request.user)
    if competition is None:
        raise NotFound("There is no competition.", code="competition_not_found")
    return competition


def _found(competition: Competition, round_id: str) -> TournamentRound | None:
    return (
        TournamentRound.objects.filter(competition=competition, round_id=round_id)
        .select_related("competition", "scheduled_prediction")
        .first()
    )


def _facts(round_: TournamentRound) -> dict[str, Any]:
    predictions = Prediction.objects.filter(
        round__tournament=round_, model__is_virtual=False
    )
    by_status = dict(
        with_status(predictions)
        .order_by()
        .values_list("status")  # type: ignore[misc]  # annotated
        .annotate(count=Count("pk"))
    )
    return {
        "status": STATUSES[TournamentRound.Status(round_.status)],
        "total": sum(by_status.values()),
        "by_status": by_status,
        "model_count": predictions.order_by().values("model").distinct().count(),
    }


def _call_worker(competition: Competition) -> None:
    """Enqueue the task that asks the models; without a broker Beat does it later."""
    try:
        current_app.send_task("competitions.predict", [competition.pk], expires=30)
    except OperationalError:
        log.warning("tournament.worker_not_called", competition=competition.slug)


def _wait(round_: TournamentRound, is_over: Callable[[], bool]) -> None:
    """Wait up to WAIT_S, or not at all while enough other requests are waiting."""
    round_.refresh_from_db()
    if is_over() or not _MAY_WAIT.acquire(blocking=False):
        return
    try:
        until = time.monotonic() + WAIT_S
        while not is_over() and time.monotonic() < until:
            time.sleep(LOOK_S)
            round_.refresh_from_db()
    finally:
        _MAY_WAIT.release()
