from datetime import timedelta

import pytest

from scoring.models import Snapshot
from tests.conftest import NOW
from tests.scoring.conftest import rewire as rewire  # noqa: PLC0414  a fixture
from tests.scoring.factories import make_competition

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DAY = 24 * HOUR


@pytest.fixture
def competition(db, tape, at):
    """Pays by the day; active since yesterday at noon."""
    with at(NOW):
        yield make_competition(NOW - DAY, emission_interval_s=86_400)


def snap(model, start, value, count=10):
    Snapshot.objects.create(
        model=model,
        period_start=start,
        period_end=start + HOUR,
        prediction_count=count,
        expected_count=count,
        value=value if count else None,
        content_hash="",
        is_closed=True,
        created_at=start,
        updated_at=start,
    )


MIDNIGHT = NOW - 12 * HOUR
