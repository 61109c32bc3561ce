"""A world with its roles, and who asks with a key."""

from importlib import import_module

import pytest
from django.apps import apps

from competitions.models import Cruncher
from crunchsite.keys.issuing import create_key
from tests import factories


@pytest.fixture
def roles(db):
    """The four groups, also after a test that emptied every table."""
    import_module("crunchsite.migrations.0001_roles").make_roles(apps, None)
    import_module("crunchsite.migrations.0003_keys").give(apps, None)


@pytest.fixture
def world(roles, tape, frozen_clock):
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
def key(roles, frozen_clock):
    """Make a key: `key("read", competition=...)` returns its text."""
    return lambda *scopes, **fields: create_key(name="bot", scopes=scopes, **fields)[1]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
