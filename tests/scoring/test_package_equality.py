"""A recorded day gives the same rows and figures on the site and in the package.

The site: dispatch, rounds, checks, truth, scores, snapshots, board. The package: as a
participant has it, from files alone. Both run one model, on a day with gaps.
"""

import importlib
import json
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import pytest

from competitions import grid_dispatch, lifecycle, packs
from competitions import wiring as wiring_module
from competitions.gateway.types import ModelAnswer
from competitions.models import Round
from competitions.rounds.perform import perform_waiting
from competitions.scaffold.public_rules import contract_in
from competitions.slots import wire
from feeds.tape.day_files import days
from feeds.tape.records import FeedKey
from feeds.tape.writes import append
from scoring.cycle import run_cycle
from scoring.models import Leaderboard, Score
from tests.competitions.conftest import AnsweringGateway, candles
from tests.participants import imported, lay_out

pytestmark = pytest.mark.usefixtures("tape", "exchange")
DAY = date(2026, 3, 3)
START = datetime(2026, 3, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEY = FeedKey("simulated", "BTCUSDT", "candle", "1m")
EVERY_S, HORIZON_S, CYCLE_S = 1800, 5400, 3600
HOLES = {*range(300, 309), *range(620, 700)}


def price(minute):
    """A walk that repeats for nobody else: a hash of the minute, in steps of 0.25."""
    drift = (minute * 7919 % 61 - 30) / 40
    return 1000.0 + drift * 3 + (minute // 90) % 5


def closes(first, last):
    return [price(minute) for minute in range(first, last)]


class Moody:
    """Answers by what it was shown; now and then it raises, or answers nonsense."""

    asked = 0

    def feed_update(self, data):
        self.data = data

    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        self.asked += 1
        seen = [candle["close"] for candle in self.data["candles_1m"]]
        if self.asked % 11 == 5:
            raise ValueError("no mood")
        if self.asked % 13 == 6:
            return {"mood": 1.0}
        if self.asked % 17 == 7:
            return "0.25"
        return {"value": 0.1 * (seen[-1] - seen[-3]), "seen": len(seen)}


class InProcess(AnsweringGateway):
    """The wire, without processes: texts of JSON go both ways."""

    def __init__(self, model):
        super().__init__({"m": None})
        self.model = model

    def ask(self, *, feed, question, expected):
        [data] = feed.args
        self.model.feed_update(json.loads(json.dumps(data.value)))
        try:
            answer = self.model.predict(*(each.value for each in question.args))
        except ValueError as error:
            self.results = {"m": ModelAnswer("m", "FAILED", reason=str(error))}
        else:
            self.results = {"m": json.loads(json.dumps(answer))}
        return super().ask(feed=feed, question=question, expected=expected)


def workspace_of(pack, folder):
    """Write a workspace of a pack that asks twice an hour on 1m candles."""
    question = {
        "scope_template": {"subject": "BTCUSDT", "step_seconds": 60},
        "schedule": {
            "every_seconds": EVERY_S,
            "resolve_after_seconds": HORIZON_S,
        },
    }
    slow = {"every_seconds": 2 * EVERY_S, "resolve_after_seconds": EVERY_S}
    return lay_out(
        folder,
        pack,
        name="equal-day",
        feed={"kind": "candle", "granularity": "1m"},
        checkpoint_interval_seconds=CYCLE_S,
        metrics=["ic", "hit_rate", "max_drawdown", "turnover", "sortino_ratio"],
        scheduled_prediction_configs=[
            {"scope_key": "btc", **question},
            {"scope_key": "btc-slow", **question, "schedule": slow, "order": 1},
        ],
    )


class Trader(Moody):
    """Orders what the other would bet, in money."""

    def predict(self, *arguments):
        answer = super().predict(*arguments)
        if not isinstance(answer, dict) or "value" not in answer:
            return answer
        side = "buy" if answer["value"] > 0 else "sell"
        return {"action": side, "amount": abs(answer["value"]) * 100_000}


MODELS = {"realtime": Moody, "tournament": Moody, "trading": Trader}
# One whole day; for the others as long as it takes to see both gaps.
HOURS = {"realtime": 24, "tournament": 13, "trading": 13}


def live_day(workspace, pack_name, at, monkeypatch):
    """Play the day through the site; return its rounds and its board."""
    contract = workspace / "node" / "runtime_definitions" / "contracts.py"
    scorer = importlib.import_module("crunch_equal_day.scoring").score_prediction
    config = contract_in(contract.read_text()).model_copy(
        update={"scoring_function": scorer}
    )
    wired = wire(config, {})
    monkeypatch.setattr(wiring_module, "_wiring", lru_cache(lambda *_: wired))
    schedule = json.loads(
        (workspace / "node/config/scheduled_prediction_configs.json").read_text()
    )
    pack = packs.load("baseline").model_copy(
        update={
            "scheduled_prediction_configs": [
                packs.ScheduledPredictionConfig(**each) for each in schedule
            ],
            "checkpoint_interval_seconds": CYCLE_S,
        }
    )
    begin = START - timedelta(seconds=EVERY_S)
    with at(begin):
        append(candles(START - 240 * MINUTE, closes(-240, -30)))
        made = lifecycle.create_competition(slug="equal-day", pack=pack)
        lifecycle.activate(competition_id=made.pk)
    gateway = InProcess(MODELS[pack_name]())
    end = HOURS[pack_name] * 60
    last = end + HORIZON_S // 60
    for minute in range(0, last, EVERY_S // 60):
        with at(START + minute * MINUTE):
            kept = [m for m in range(minute - 30, minute) if m not in HOLES]
            append([r for m in kept for r in candles(START + m * MINUTE, [price(m)])])
            if minute == end:
                made.scheduled_predictions.update(active=False, next_slot_at=None)
            grid_dispatch.dispatch()
            perform_waiting(competition_id=made.pk, gateway=gateway)
            if minute * 60 % CYCLE_S == 0:
                run_cycle(competition_id=made.pk)
    rounds = Round.objects.filter(slot_at__gte=START, slot_at__lt=START + end * MINUTE)
    rounds = rounds.order_by("slot_at", "scheduled_prediction__order")
    return list(rounds), Leaderboard.objects.get(is_newest=True)


def as_row(round_):
    """A round of the site in the words of the package."""
    prediction = round_.predictions.first()
    score = prediction and Score.objects.filter(prediction=prediction).first()
    is_answered = prediction is not None and prediction.outcome == "ANSWERED"
    return {
        "slot_at": round_.slot_at.timestamp(),
        "scope_key": round_.scope_key,
        "status": round_.status,
        "outcome": prediction and prediction.outcome,
        "output": prediction.output if is_answered else None,
        "truth": round_.actuals,
        "score": score.value if score and score.success else None,
    }


@pytest.mark.parametrize("pack", MODELS)
def test_a_recorded_day_is_the_same_on_the_site_and_in_the_package(
    pack, at, monkeypatch, tmp_path
):
    workspace = workspace_of(pack, tmp_path)
    monkeypatch.setenv("CRUNCH_CACHE", str(tmp_path / "cache"))
    with imported(workspace) as package:
        found = live_day(workspace, pack, at, monkeypatch)
        cache_days(at, monkeypatch, tmp_path)
        until = START + timedelta(hours=HOURS[pack])
        compare(*found, package.backtest(MODELS[pack], DAY, until, pull=False))


def cache_days(at, monkeypatch, tmp_path):
    """Put the site's files of the day into the package's cache."""
    monkeypatch.setattr(
        "feeds.tape.parquet.base", lambda: tmp_path / "site" / "backfill"
    )
    with at(START + timedelta(days=2)):
        append(candles(START + timedelta(days=2) - MINUTE, [1000.0]))
        found = days(KEY, first=DAY - timedelta(days=1), last=DAY + timedelta(days=1))
        cached = tmp_path / "cache" / "/".join(KEY)
        cached.mkdir(parents=True)
        for each in found:
            (cached / each.path.name).write_bytes(each.path.read_bytes())


def compare(rounds, board, result):
    """Rows, figures and digest are the same."""
    expected = [as_row(round_) for round_ in rounds]
    compared = [{name: row[name] for name in expected[0]} for row in result.rounds]
    assert compared == expected
    statuses = {row["status"] for row in expected}
    assert statuses == {"RESOLVED", "UNRESOLVABLE", "MISSED"}
    assert {row["outcome"] for row in expected} == {"ANSWERED", "FAILED", None}
    line = board.entries.get()
    assert {name: result.metrics[name] for name in line.metrics} == {
        name: pytest.approx(line.metrics[name], rel=1e-9) for name in line.metrics
    }
    digest_line = importlib.import_module(
        "crunch_equal_day.backtest_result"
    ).digest_line
    assert [digest_line(row) for row in expected] == [
        digest_line(row) for row in result.rounds
    ]
    assert result.coverage == pytest.approx(
        sum(row["score"] is not None for row in expected)
        / sum(row["status"] == "RESOLVED" for row in expected)
    )
