"""What the tests of this room share."""

from datetime import timedelta

from competitions.contract import CrunchConfig
from competitions.slots import wire
from scoring.truth.resolve import resolve as resolve_due
from tests.conftest import NOW

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
START = NOW - 10 * MINUTE


def resolve(competition, *rounds, now=NOW, **config):
    wiring = wire(CrunchConfig(**config), {})
    return resolve_due(
        competition=competition, wiring=wiring, rounds=rounds, now=now
    ).truths


def first_and_last(feed_records):
    paid, got = (feed_records[i].values["close"] for i in (0, -1))
    return {
        "entry_price": paid,
        "resolved_price": got,
        "actual_return": (got - paid) / paid,
        "direction_up": got > paid,
    }
