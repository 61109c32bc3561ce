"""A predict round of N models behind an in-process stub, tick to stored.

The limit: one multi-row INSERT of the same prediction rows.
"""

import argparse
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from psycopg2.extras import Json, execute_values

from benchmarks.measure import compare
from competitions import lifecycle
from competitions.gateway.types import ModelAnswer, ModelIdentity, RoundAnswers
from competitions.models import Competition, Prediction, Round
from competitions.rounds.perform import perform_round
from core import clock
from feeds.tape.records import FeedRecord
from feeds.tape.writes import append

INSERT = (
    "INSERT INTO predictions (input_id, model_id, outcome, reason, "
    "inference_output_jsonb, exec_time_us, performed_at, meta_jsonb) VALUES %s"
)


class StubGateway:
    """Answers at once: what is measured is the site, not the models."""

    def __init__(self, size: int) -> None:
        self._identities = [
            ModelIdentity(
                model_id=str(i),
                name=f"model {i}",
                deployment_id=f"{i}_1",
                cruncher_id=f"cruncher {i}",
                cruncher_name=f"Cruncher {i}",
                wallet="",
                state="RUNNING",
            )
            for i in range(size)
        ]

    is_roster_complete = False
    outage = ""

    def roster(self) -> list[ModelIdentity]:
        return self._identities

    def ask(self, *, feed: Any, question: Any, expected: Any) -> RoundAnswers:
        return RoundAnswers(
            answers=[
                ModelAnswer(key, "ANSWERED", {"value": float(key)}, exec_time_us=900)
                for key in expected
            ],
            joined=[],
            timing={},
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=40, help="rounds per repeat")


def run(args: argparse.Namespace) -> dict[str, Any]:
    competition = _competition()
    gateway = StubGateway(args.models)
    rounds = _Rounds(competition)
    perform_round(round_=rounds.new(), gateway=gateway)  # the roster is known after it
    rows = list(
        Prediction.objects.filter(round__competition=competition)
        .order_by("pk")
        .values_list(
            *("model_id", "outcome", "reason", "output", "exec_time_us"),
            *("performed_at", "meta"),
        )[: args.models]
    )
    with CaptureQueriesContext(connection) as statements:
        perform_round(round_=rounds.new(), gateway=gateway)
    pending: list[Round] = []

    def reset() -> None:
        pending[:] = [rounds.new() for _ in range(args.rounds)]

    def ours() -> None:
        for round_ in pending:
            assert perform_round(round_=round_, gateway=gateway)

    def limit() -> None:
        for round_ in pending:
            with transaction.atomic(), connection.cursor() as cursor:
                execute_values(
                    cursor.cursor,
                    INSERT,
                    [
                        (round_.pk, m, o, r, Json(out), us, at, Json(meta))
                        for m, o, r, out, us, at, meta in rows
                    ],
                    page_size=len(rows),
                )

    try:
        return compare(
            "predict",
            ours=ours,
            limit=limit,
            reset=reset,
            repeats=args.repeats,
            models=args.models,
            rounds=args.rounds,
            statements=len(statements),
        )
    finally:
        competition.rounds.all().delete()


def _competition() -> Competition:
    slug = "bench-predict"
    competition = Competition.objects.filter(
        slug=slug
    ).first() or lifecycle.create_competition(
        slug=slug, pack_name="baseline", feed_source="simulated"
    )
    minute = clock.now().replace(second=0, microsecond=0)
    append(
        FeedRecord(
            source="simulated",
            subject="BTCUSDT",
            kind="candle",
            granularity="1m",
            ts_event=minute - timedelta(minutes=i),
            values=dict.fromkeys(("open", "high", "low", "close"), 100.0 + i)
            | {"volume": 1.0},
        )
        for i in range(1, 200)
    )
    return competition


class _Rounds:
    """Fresh rounds, each of its own slot."""

    def __init__(self, competition: Competition) -> None:
        self._competition = competition
        competition.rounds.all().delete()
        self._scheduled = competition.scheduled_predictions.get(active=True)
        self._made = 0

    def new(self) -> Round:
        self._made += 1
        now = clock.now()
        return Round.objects.create(
            competition=self._competition,
            scheduled_prediction=self._scheduled,
            slot_at=now - timedelta(microseconds=self._made),
            scope_key=self._scheduled.scope_key,
            received_at=now,
        )
