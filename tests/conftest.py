"""Fixtures shared by all tests."""

from datetime import UTC, datetime

import pytest

from feeds import clock
from tests.servers import pytest_configure as pytest_configure  # starts the servers

NOW = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def at():
    """Stop the site's clock: `with at(instant): ...`."""
    return lambda instant: clock.use(clock.Frozen(start=instant, anchor=instant))


@pytest.fixture
def frozen_clock(at):
    """The site's clock stands at NOW."""
    with at(NOW):
        yield NOW
