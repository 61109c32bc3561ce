"""A world with its roles, and who asks with a key."""

import pytest

from competitions.models import Cruncher
from crunchsite.keys.issuing import create_key
from tests import factories


@pytest.fixture
def world(db, tape, frozen_clock):
    """Two models, an hour old; `other` is a second competition like it."""
    return factories.running_competition(at=frozen_clock, models=2, hours=1)


@pytest.fixture
def other(world, frozen_clock):
    return factories.running_competition(
        at=frozen_clock, models=2, hours=1, slug="other-cup"
    )


@pytest.fixture
def cruncher(world):
    return Cruncher.objects.filter(competition=world.competition).first()


@pytest.fixture
def key(db, frozen_clock):
    """Make a key: `key("read", competition=...)` returns its text."""
    return lambda *scopes, **fields: create_key(name="bot", scopes=scopes, **fields)[1]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
