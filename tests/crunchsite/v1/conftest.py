from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.contrib.auth.models import User

from competitions.models import ParticipantModel, Prediction
from core import clock
from emissions import ledger
from emissions.models import Dispute
from feeds.tape.records import FeedRecord
from feeds.tape.writes import append
from livepool.models import Release
from scoring.models import Leaderboard
from tests import factories
from tests.conftest import NOW


@pytest.fixture
def world(db, tape, frozen_clock, at):
    for month in (1, 2):
        release(date(2026, month, 28))
    append(candle(subject, n) for subject in ("BTCUSDT", "ETHUSDT") for n in (2, 3, 4))
    made = factories.running_competition(at=NOW, models=3, hours=2)
    Leaderboard.objects.create(
        competition=made.competition,
        as_of=NOW - timedelta(hours=1),
        is_newest=False,
        ranking_key="score_recent",
        ranking_direction="desc",
        created_at=NOW - timedelta(hours=1),
    )
    author = User.objects.create_user("fay")
    for hour, checkpoint in enumerate(made.checkpoints, start=1):
        with at(NOW - timedelta(hours=hour)):
            ledger.owe(checkpoint)
            Dispute.objects.create(
                checkpoint=checkpoint,
                author=author,
                reason="m2 answered too",
                created_at=clock.now(),
            )
    return made


@pytest.fixture
def blended(world):
    """Add an ensemble's answer of a round, as scoring does."""
    ensemble = ParticipantModel.objects.create(
        competition=world.competition,
        model_id="ensemble-main",
        name="Ensemble main",
        is_virtual=True,
        created_at=NOW,
        updated_at=NOW,
    )

    def add(round_):
        return Prediction.objects.create(
            round=round_,
            model=ensemble,
            outcome=Prediction.Outcome.ANSWERED,
            output={"value": 0.5},
            performed_at=round_.performed_at,
        )

    return add


def candle(subject, minutes_ago):
    price = {"open": 9.0, "high": 9.0, "low": 9.0, "close": 9.0, "volume": 1.0}
    at = NOW - timedelta(minutes=minutes_ago)
    return FeedRecord("simulated", subject, "candle", "1m", at, price)


def release(as_of_date):
    at = datetime.combine(as_of_date, time(1), UTC)
    return Release.objects.create(
        version=f"{as_of_date}-core_major",
        mode="core_major",
        as_of_date=as_of_date,
        status="PUBLISHED",
        symbols=["BTCUSDT"],
        symbol_map={},
        universe={},
        ranking=[],
        checksums={},
        created_at=at,
        published_at=at,
        activated_at=at,
    )


@pytest.fixture
def asked(client, world):
    """`asked("models", limit=2)` is the JSON of a list."""

    def ask(path, **query):
        answer = client.get(f"/api/v1/{path}", query)
        assert answer.status_code == 200, answer.json()
        return answer.json()

    return ask


@pytest.fixture
def walked(client, world):
    """`walked("models", limit=2)` follows `next` and returns all rows."""

    def walk(path, between=lambda: None, **query):
        rows, url = [], f"/api/v1/{path}"
        while url:
            answer = client.get(url, query)
            page = answer.json()
            link = f'<{page["next"]}>; rel="next"' if page["next"] else None
            assert answer.get("Link") == link
            rows += page["results"]
            url, query = page["next"], {}
            between()
        return rows

    return walk
