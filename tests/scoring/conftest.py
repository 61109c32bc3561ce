from datetime import timedelta

import pytest

from competitions.contract import CrunchConfig
from competitions.slots import wire
from scoring.models import Score
from scoring.truth import recovery
from tests.conftest import NOW
from tests.scoring.factories import SOURCE, make_competition, make_round, put_candles


@pytest.fixture
def competition(db, tape, frozen_clock):
    return make_competition(frozen_clock - timedelta(hours=2))


@pytest.fixture
def rewire(monkeypatch):
    """Give every competition another contract: `rewire(scoring_function=f)`."""

    def change(own_paths=None, **attributes):
        wiring = wire(CrunchConfig(**attributes), own_paths or {})
        for module in ("scoring.cycle", "emissions.checkpoints"):
            monkeypatch.setattr(f"{module}.wiring_of", lambda competition: wiring)
        return wiring

    return change


class Exchange:
    """A provider that serves what it is given, counts questions, and can be down."""

    name, kinds, page_limit = SOURCE, ("candle",), 1000

    def __init__(self):
        self.records, self.asked, self.error = [], [], None

    def fetch(self, request):
        self.asked.append(request)
        if self.error:
            raise self.error
        return [r for r in self.records if request.start <= r.ts_event < request.end]


@pytest.fixture
def exchange(monkeypatch):
    """Stands in for the market at the edge of the site."""
    made = Exchange()
    monkeypatch.setattr(recovery, "provider_of", lambda source: made)
    monkeypatch.setattr(recovery, "_not_before", {})
    return made


MINUTE = timedelta(minutes=1)
START = NOW - 30 * MINUTE


def ask(competition, models, rounds=5, signal=lambda model, i: 1.0):
    """Rounds one minute apart on a tape that rises by one a minute, from 100."""
    put_candles(START - MINUTE, [100.0 + i for i in range(rounds + 2)])
    return [
        make_round(
            competition,
            START + i * MINUTE,
            {model: signal(model, i) for model in models},
        )
        for i in range(rounds)
    ]


def values_of(model):
    return list(
        Score.objects.filter(prediction__model=model)
        .order_by("prediction__round__performed_at")
        .values_list("value", flat=True)
    )
