from datetime import timedelta

import pytest

from competitions.contract import CrunchConfig
from competitions.slots import wire
from scoring.truth import recovery
from tests.scoring.factories import SOURCE, make_competition


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
