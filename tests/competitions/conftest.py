"""A competition on a tape of our own making, and models that answer in process."""

from datetime import datetime, timedelta

import pytest

from competitions import lifecycle
from competitions.gateway.types import ModelAnswer, ModelIdentity, RoundAnswers
from feeds.tape.records import FeedRecord
from feeds.tape.writes import append

SOURCE = "simulated"


def candles(first: datetime, closes, *, granularity="1m", step_s=60, source=SOURCE):
    return [
        FeedRecord(
            source=source,
            subject="BTCUSDT",
            kind="candle",
            granularity=granularity,
            ts_event=first + timedelta(seconds=step_s * i),
            values={
                "open": close,
                "high": close,
                "low": close,
                "close": close,
                "volume": 1.0,
            },
        )
        for i, close in enumerate(closes)
    ]


@pytest.fixture
def competition(db, frozen_clock):
    """The baseline pack, active since NOW."""
    draft = lifecycle.create_competition(slug="btc", pack_name="baseline")
    return lifecycle.activate(competition_id=draft.pk)


@pytest.fixture
def tape(tape, frozen_clock):
    """120 one-minute candles that closed before NOW, closing at 100, 101, ... 219."""
    closes = [100.0 + i for i in range(120)]
    append(candles(frozen_clock - timedelta(minutes=120), closes))
    return tape


def identity(model_id, **changes):
    facts = {
        "model_id": model_id,
        "name": f"model {model_id}",
        "deployment_id": f"{model_id}_1",
        "cruncher_id": f"cruncher-{model_id}",
        "cruncher_name": f"Cruncher {model_id}",
        "wallet": "",
        "state": "RUNNING",
    }
    return ModelIdentity(**{**facts, **changes})


class AnsweringGateway:
    """Replace the wire: each model gives the result that the test sets.

    The wire itself, with real processes, is tested in tests/competitions/gateway.
    """

    def __init__(self, results, *, identities=None):
        self.results = results
        self.identities = identities or [identity(key) for key in results]
        self.asked = []
        self.is_connected = True
        self.is_settled = True
        self.is_roster_complete = False
        self.outage = ""

    def roster(self):
        return self.identities

    def ask(self, *, feed, question, expected):
        self.asked.append((feed, question, set(expected)))
        answers = [self._answer(model_id) for model_id in expected]
        return RoundAnswers(answers=answers, joined=[], timing={})

    def _answer(self, model_id):
        result = self.results.get(model_id)
        if isinstance(result, ModelAnswer):
            return result
        if result is None:
            return ModelAnswer(model_id, "ABSENT", reason="gave no answer")
        return ModelAnswer(model_id, "ANSWERED", result, exec_time_us=1500)
