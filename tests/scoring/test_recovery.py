from datetime import timedelta

import pytest

from feeds.errors import ProviderError
from scoring import truth
from scoring.cycle import run_cycle
from tests.conftest import NOW
from tests.scoring.factories import candles, make_models, make_round, put_candles

MINUTE = timedelta(minutes=1)
START = NOW - 10 * MINUTE


@pytest.fixture
def holed(competition):
    """A candle is missing at the end of the first round, none around the second."""
    put_candles(START, [100.0, None, 120.0, 130.0])
    [model] = make_models(competition, "a")
    make_round(competition, START + MINUTE, {model: 1.0})
    make_round(competition, START + 3 * MINUTE, {model: 1.0})
    return competition


def ends(competition):
    rounds = competition.rounds.order_by("slot_at")
    return list(rounds.values_list("status", flat=True))


def test_a_complete_tape_asks_no_provider(holed, exchange):
    holed.rounds.order_by("slot_at").first().delete()
    run_cycle(competition_id=holed.pk)
    assert exchange.asked == []


def test_a_hole_is_fetched_stored_and_not_asked_for_again(holed, exchange):
    exchange.records = candles(START, [100.0, 110.0, 120.0, 130.0])
    report = run_cycle(competition_id=holed.pk)
    assert (report.resolved, report.scored) == (2, 2)
    [request] = exchange.asked
    assert (request.start, request.end - request.start) == (
        START + MINUTE,
        timedelta.resolution,
    )
    first = holed.rounds.order_by("slot_at").first()
    assert first.actuals["resolved_price"] == 110.0
    run_cycle(competition_id=holed.pk)
    assert len(exchange.asked) == 1


def test_a_provider_that_is_down_delays_only_the_round_that_needs_it(holed, exchange):
    exchange.error = ProviderError("no route to the exchange")
    run_cycle(competition_id=holed.pk)
    assert ends(holed) == ["RECEIVED", "RESOLVED"]
    run_cycle(competition_id=holed.pk)
    assert len(exchange.asked) == 1  # left alone for a while


def test_a_hole_that_nobody_can_fill_ends_the_round(holed, exchange):
    run_cycle(competition_id=holed.pk)
    assert ends(holed) == ["UNRESOLVABLE", "RESOLVED"]


def test_a_provider_that_stays_down_ends_the_round_at_the_deadline(holed, exchange, at):
    exchange.error = ProviderError("no route to the exchange")
    with at(START + 3 * MINUTE + truth.PATIENCE):
        run_cycle(competition_id=holed.pk)
    assert ends(holed) == ["UNRESOLVABLE", "RESOLVED"]
