from dataclasses import replace
from datetime import timedelta

import pytest

from competitions.patience import DOUBT, PATIENCE
from feeds.errors import ProviderError
from feeds.tape import reads
from scoring.cycle import run_cycle
from scoring.models import VoidWindow
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


def test_a_feed_that_is_behind_goes_on_from_where_it_was(competition, exchange, at):
    """A jump to what a truth needed would leave out what lies before it."""
    [model] = make_models(competition, "a")
    put_candles(START, [100.0])
    make_round(competition, START + 5 * MINUTE, {model: 1.0})
    exchange.records = candles(START + 4 * MINUTE, [104.0, 105.0])
    with at(NOW + 2 * PATIENCE):
        assert run_cycle(competition_id=competition.pk).resolved == 1
    assert reads.watermark(key=competition.feed("BTCUSDT")) == START


def test_a_provider_that_is_down_delays_only_the_round_that_needs_it(holed, exchange):
    exchange.error = ProviderError("no route to the exchange")
    run_cycle(competition_id=holed.pk)
    assert ends(holed) == ["RECEIVED", "RESOLVED"]
    run_cycle(competition_id=holed.pk)
    assert len(exchange.asked) == 1  # left alone for a while


def test_a_hole_that_nobody_can_fill_ends_the_round(holed, exchange):
    run_cycle(competition_id=holed.pk)
    assert ends(holed) == ["UNRESOLVABLE", "RESOLVED"]


def test_a_gap_that_shows_while_another_is_fetched_is_asked_about_too(holed, exchange):
    """The stream comes back in the meantime, with its newest candle alone."""
    later = make_round(holed, START + 5 * MINUTE, {holed.models.get(): 1.0})
    whole = exchange.fetch

    def fetch_slowly(request):
        put_candles(START + 7 * MINUTE, [170.0])
        return whole(request)

    exchange.fetch = fetch_slowly
    exchange.records = candles(START, [100.0 + 10 * i for i in range(8)])
    run_cycle(competition_id=holed.pk)
    assert ends(holed) == ["RESOLVED", "RESOLVED", "RECEIVED"]
    run_cycle(competition_id=holed.pk)
    later.refresh_from_db()
    assert later.actuals["resolved_price"] == 150.0


def test_a_provider_that_stays_down_ends_the_round_at_the_deadline(holed, exchange, at):
    exchange.error = ProviderError("no route to the exchange")
    late = START + 3 * MINUTE + PATIENCE
    put_candles(late, [100.0], subject="ETHUSDT")
    with at(late + MINUTE):
        run_cycle(competition_id=holed.pk)
    assert ends(holed) == ["UNRESOLVABLE", "RESOLVED"]


HOUR = timedelta(hours=1)


@pytest.fixture
def looked_at_late(competition, at):
    """A round of an hour without its entry candle, looked at after its deadline.

    The one before is 60 s too old, and 720 s are allowed.
    """
    [model] = make_models(competition, "a")
    put_candles(START - MINUTE, [90.0, None, *(100.0 + i for i in range(61))])
    make_round(competition, START + MINUTE, {model: 1.0}, horizon_s=3600)
    put_candles(START + 11 * HOUR + 2 * MINUTE, [100.0], subject="ETHUSDT")
    with at(START + 11 * HOUR + 3 * MINUTE):
        yield competition


def test_a_round_past_its_deadline_is_looked_for_first(looked_at_late, exchange):
    exchange.records = candles(START, [95.0])
    assert run_cycle(competition_id=looked_at_late.pk).resolved == 1
    assert looked_at_late.rounds.get().actuals["entry_price"] == 95.0


@pytest.mark.parametrize("error", [None, ProviderError("no route to the exchange")])
def test_the_allowed_staleness_holds_past_the_deadline_too(
    looked_at_late, exchange, error
):
    exchange.error = error
    report = run_cycle(competition_id=looked_at_late.pk)
    assert (report.resolved, report.waiting) == (1, 0)
    round_ = looked_at_late.rounds.get()
    assert round_.actuals["entry_price"] == 90.0
    assert round_.provenance["entry_staleness_s"] == 60.0


def test_after_an_outage_the_provider_is_asked_before_rounds_end(
    competition, exchange, at
):
    """The first cycle of a node that was down may come before its first ingest."""
    [model] = make_models(competition, "a")
    put_candles(START, [100.0])
    make_round(competition, START + MINUTE, {model: 1.0})
    exchange.records = candles(START, [100.0, 110.0, 120.0])
    with at(START + 2 * HOUR):
        assert run_cycle(competition_id=competition.pk).resolved == 1
    assert competition.rounds.get().actuals["resolved_price"] == 110.0


def test_after_an_outage_rounds_that_nobody_knows_of_end(competition, exchange, at):
    [model] = make_models(competition, "a")
    put_candles(START, [100.0])
    make_round(competition, START + MINUTE, {model: 1.0})
    with at(START + 2 * HOUR):
        report = run_cycle(competition_id=competition.pk)
    assert (report.unresolvable, report.waiting) == (0, 1)
    assert competition.rounds.get().overdue_at == START + 2 * HOUR
    with at(START + 2 * HOUR + DOUBT):
        report = run_cycle(competition_id=competition.pk)
    assert (report.unresolvable, report.waiting) == (1, 0)
    reason = competition.rounds.get().reason
    assert reason == "no truth came within 1:00:00 after the end of the round"


def test_nobody_is_asked_about_a_void_round(holed, exchange):
    first, second = holed.rounds.order_by("slot_at")
    VoidWindow.objects.create(
        competition=holed,
        start_at=first.slot_at,
        end_at=second.slot_at,
        reason="the exchange was down",
        author="op",
        created_at=NOW,
    )
    run_cycle(competition_id=holed.pk)
    assert ends(holed) == ["VOID", "RESOLVED"]
    assert exchange.asked == []


def test_a_provider_that_gives_few_rows_an_answer_loses_no_round(competition, exchange):
    """Ends far apart are asked for in one range, of which the exchange caps answers."""
    prices = [100.0 + i for i in range(8)]
    put_candles(START, [prices[0], *[None] * 6, prices[7]])
    [model] = make_models(competition, "a")
    for minute in (1, 3, 5):
        make_round(competition, START + minute * MINUTE, {model: 1.0})
    exchange.records = candles(START, prices)
    whole = exchange.fetch
    exchange.fetch = lambda request: whole(request)[:2]
    run_cycle(competition_id=competition.pk)
    assert ends(competition) == ["RESOLVED"] * 3


@pytest.mark.parametrize("error", [KeyError("base"), OverflowError("date")])
def test_whatever_a_provider_raises_the_round_waits(holed, exchange, error):
    exchange.error = error
    run_cycle(competition_id=holed.pk)
    assert ends(holed) == ["RECEIVED", "RESOLVED"]


def test_what_a_provider_calls_otherwise_is_kept_under_the_feeds_own_name(
    holed, exchange
):
    """Such as a replay of another source's history."""
    exchange.records = [
        replace(record, source="binance")
        for record in candles(START, [100.0, 110.0, 120.0, 130.0])
    ]
    assert run_cycle(competition_id=holed.pk).resolved == 2
    first = holed.rounds.order_by("slot_at").first()
    assert first.actuals["resolved_price"] == 110.0
