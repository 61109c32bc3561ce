"""Days and instants at the ends of what can be written, to all that take them.

Many addresses add a day, a period or an offset to what they are given.
"""

import json
from datetime import timedelta
from itertools import product

import pytest
from django.conf import settings
from django.test import Client

from feeds.tape.records import FeedRecord
from feeds.tape.writes import append
from tests import factories
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

SCHEMA = settings.BASE_DIR / "docs" / "integrator" / "openapi.json"
LATE, EARLY = ["9999-12-31", "9999-12-30", "2199-12-31"], ["1970-01-01", "0001-01-01"]
ENDS = product(LATE, ["T23:59:59.999999Z", "T23:59:59.999999-14:00"])
BEGINNINGS = product(EARLY, ["T00:00:00Z", "T00:00:00+14:00"])
FAR = {"date": LATE + EARLY, "date-time": [d + t for d, t in [*ENDS, *BEGINNINGS]]}
KNOWN = {
    "model_id": "m1",
    "source": "simulated",
    "subject": "BTCUSDT",
    "day": "2026-03-02",
    "since": "2026-03-02",
    "until": "2026-03-02",
}


def takers():
    """Each GET that takes days or instants: its address, what it needs, which ones."""
    for path, methods in json.loads(SCHEMA.read_text())["paths"].items():
        asked = methods.get("get", {}).get("parameters", [])
        far = {each["name"]: each["schema"].get("format") for each in asked}
        far = {name: kind for name, kind in far.items() if kind in FAR}
        if far:
            needed = [each["name"] for each in asked if each.get("required")]
            yield pytest.param(path, needed, far, id=path)


@pytest.fixture
def world(tape, frozen_clock):
    factories.running_competition(at=NOW, models=2, hours=1)
    price = dict.fromkeys(("open", "high", "low", "close", "volume"), 9.0)
    at = NOW - timedelta(days=1)
    append([FeedRecord("simulated", "BTCUSDT", "candle", "1m", at, price)])


@pytest.mark.attack("days at the end of time", held_by="core.requests")
@pytest.mark.parametrize(("path", "needed", "far"), list(takers()))
def test_a_far_day_is_refused_or_answered(path, needed, far, world, seen):
    client, wrong, count = Client(raise_request_exception=False), [], 0
    needs = {name: KNOWN[name] for name in needed}
    for asked in questions(needs, far):
        answer, count = client.get(path.format(**needs), asked), count + 1
        is_refused = answer.status_code in (404, 422) and answer.json()["code"]
        if answer.status_code != 200 and not is_refused:
            wrong.append((asked, answer.status_code))
    assert wrong == []
    seen(f"{count} questions to each address: 200, 404 or 422")


def questions(needs, far):
    """Each far value in each parameter, and in all of them at once."""
    for name, kind in far.items():
        yield from ({**needs, name: value} for value in FAR[kind])
    for values in zip(*(FAR[kind] for kind in far.values()), strict=False):
        yield {**needs, **dict(zip(far, values, strict=True))}
