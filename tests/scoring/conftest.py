from datetime import timedelta

import pytest

from competitions.contract import CrunchConfig
from competitions.slots import wire
from tests.scoring.factories import make_competition


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
