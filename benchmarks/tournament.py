"""A tournament round of N samples and M models: asked, then scored.

The models answer in process at once: what is measured is the site. Predicting is from
the post of the features to the last answer, scoring from the post of the truths to the
board. The limit: COPY of the same samples and predictions, and of the same scores.
"""

import argparse
import io
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction

from benchmarks.measure import peak_mb
from benchmarks.predict import StubGateway
from competitions import lifecycle
from competitions.models import Competition, TournamentRound
from competitions.tournament.ask_samples import ask_some
from competitions.tournament.opening import open_round
from competitions.tournament.round_ends import give_truths
from scoring.cycle import run_cycle

SLUG = "bench-tournament"
_SAMPLES = "SELECT id FROM inputs WHERE tournament_id = {}"
_ANSWERS = f"SELECT id FROM predictions WHERE input_id IN ({_SAMPLES})"
TABLES = {
    "inputs": "tournament_id = {}",
    "predictions": f"input_id IN ({_SAMPLES})",
    "scores": f"prediction_id IN ({_ANSWERS})",
}


class SampleGateway(StubGateway):
    """Models that are connected and answer every sample at once."""

    is_connected = True
    is_roster_complete = True

    def live(self) -> set[str]:
        return {identity.model_id for identity in self.roster()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--samples", type=int, default=5_000)
    parser.add_argument("--models", type=int, default=50)


def run(args: argparse.Namespace) -> dict[str, Any]:
    competition = lifecycle.create_competition(
        slug=SLUG, pack_name="tournament", feed_source="simulated"
    )
    Competition.objects.filter(pk=competition.pk).update(
        status=Competition.Status.ACTIVE
    )
    competition.refresh_from_db()
    gateway = SampleGateway(args.models)
    seconds: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, work: Callable[..., Any], *of: Any) -> None:
        start = time.perf_counter()
        work(*of)
        seconds[name].append(time.perf_counter() - start)

    def predict(round_id: str) -> None:
        open_round(competition=competition, round_id=round_id, features=features)
        while ask_some(competition_id=competition.pk, gateway=gateway):
            pass

    def score(round_: TournamentRound) -> None:
        give_truths(round_=round_, truths=truths)
        while run_cycle(competition_id=competition.pk).resolved:
            pass

    features = [{"momentum": i / args.samples} for i in range(args.samples)]
    truths = [{"actual_return": 0.001 * (i % 7 - 3)} for i in range(args.samples)]
    for repeat in range(args.repeats):
        timed("predict", predict, f"r{repeat}")
        done = TournamentRound.objects.get(round_id=f"r{repeat}")
        timed("score", score, done)
        done.refresh_from_db()
        assert done.status == TournamentRound.Status.SCORED, done.status
        kept = {table: _taken(table, done) for table in reversed(TABLES)}
        timed("predict_limit", _put, kept, "inputs", "predictions")
        timed("score_limit", _put, kept, "scores")
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    return {
        "name": "tournament",
        "samples": args.samples,
        "models": args.models,
        "repeats": args.repeats,
        "peak_mb": peak_mb(),
        **{
            side: {
                "ratio": round(medians[f"{side}_limit"] / medians[side], 3),
                "ours_s": round(medians[side], 3),
                "limit_s": round(medians[f"{side}_limit"], 3),
                "a_second": round(args.samples * args.models / medians[side]),
            }
            for side in ("predict", "score")
        },
    }


def _taken(table: str, round_: TournamentRound) -> io.StringIO:
    """Delete a round's rows of a table, and return them as COPY reads them."""
    text, where = io.StringIO(), TABLES[table].format(round_.pk)
    with connection.cursor() as cursor:
        cursor.cursor.copy_expert(
            f"COPY (SELECT * FROM {table} WHERE {where}) TO STDOUT", text
        )
        cursor.execute(f"DELETE FROM {table} WHERE {where}")
    return text


def _put(kept: dict[str, io.StringIO], *tables: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for table in tables:
            kept[table].seek(0)
            cursor.cursor.copy_expert(f"COPY {table} FROM STDIN", kept[table])
