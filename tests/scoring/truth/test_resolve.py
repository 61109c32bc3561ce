from dataclasses import replace
from datetime import timedelta

import pytest

from competitions.models import Round
from competitions.patience import DOUBT, PATIENCE
from feeds.tape import reads
from feeds.tape.records import FeedRecord
from feeds.tape.writes import append
from scoring.cycle import run_cycle
from tests.conftest import NOW
from tests.scoring.factories import (
    SOURCE,
    SUBJECT,
    candles,
    make_models,
    make_round,
    put_candles,
)
from tests.scoring.truth.conftest import MINUTE, SECOND, START, first_and_last, resolve


def test_both_ends_are_the_last_candles_closed_by_then(competition):
    put_candles(START, [100.0, 110.0, 121.0])  # close at START + 1, 2, 3 minutes
    round_ = make_round(competition, START + timedelta(seconds=70), {})
    [found] = resolve(competition, round_)
    assert found.actuals == {
        "entry_price": 100.0,
        "resolved_price": 110.0,
        "actual_return": pytest.approx(0.1),
        "direction_up": True,
    }
    assert found.provenance == {
        "from": "tape",
        "source": "simulated",
        "subject": "BTCUSDT",
        "kind": "candle",
        "granularity": "1m",
        "entry_closed_at": (START + MINUTE).isoformat(),
        "resolved_closed_at": (START + 2 * MINUTE).isoformat(),
        "entry_staleness_s": 0.0,
        "staleness_s": 0.0,
    }


def test_a_candle_that_closes_at_the_very_instant_counts(competition):
    put_candles(START, [100.0, 110.0])
    [found] = resolve(competition, make_round(competition, START + MINUTE, {}))
    assert found.actuals["entry_price"] == 100.0
    assert found.actuals["resolved_price"] == 110.0


def test_no_candle_after_the_round_is_looked_at(competition):
    put_candles(START, [100.0, 110.0, 1e6, 1e6])
    [found] = resolve(competition, make_round(competition, START + MINUTE, {}))
    assert found.actuals["resolved_price"] == 110.0


@pytest.mark.parametrize(
    ("offset_s", "resolved"), [(0, 100.0), (15, 100.0), (30, 100.0), (45, 110.0)]
)
def test_fifteen_second_rounds_on_minute_candles_resolve(
    competition, offset_s, resolved
):
    put_candles(START, [100.0, 110.0])
    at = START + MINUTE + timedelta(seconds=offset_s)
    [found] = resolve(competition, make_round(competition, at, {}, horizon_s=15))
    assert found.actuals["resolved_price"] == resolved


def test_a_round_waits_for_its_exit_candle(competition):
    put_candles(START, [100.0])
    assert resolve(competition, make_round(competition, START + MINUTE, {}))[
        0
    ].is_waiting


def test_a_gap_with_something_newer_ends_the_round(competition):
    put_candles(START, [100.0, None, 120.0])
    [found] = resolve(competition, make_round(competition, START + MINUTE, {}))
    assert found.reason == (
        "the tape has a gap at the exit of the round: the last one before closed "
        "60 s earlier, 12 s are allowed"
    )


def test_candles_that_arrive_while_the_tape_is_read_make_no_gap(
    competition, monkeypatch
):
    put_candles(START, [100.0])
    read_prices = reads.closed_prices

    def while_two_candles_arrive(**wanted):
        prices = read_prices(**wanted)
        put_candles(START + MINUTE, [110.0, 120.0])
        return prices

    monkeypatch.setattr(reads, "closed_prices", while_two_candles_arrive)
    round_ = make_round(competition, START + MINUTE, {})
    assert resolve(competition, round_)[0].is_waiting
    assert resolve(competition, round_)[0].actuals["resolved_price"] == 110.0


def test_a_short_gap_is_bridged_by_the_last_candle_before(competition):
    put_candles(START, [100.0, 110.0, None, 130.0])
    round_ = make_round(competition, START + MINUTE, {}, horizon_s=120)
    assert resolve(competition, round_)[0].reason
    [found] = resolve(competition, round_, max_ground_truth_staleness_fraction=0.5)
    assert found.actuals["resolved_price"] == 110.0
    assert found.provenance["staleness_s"] == 60.0


def test_staleness_fraction_zero_allows_any_gap(competition):
    put_candles(START, [100.0, None, 120.0])
    round_ = make_round(competition, START + MINUTE, {})
    [found] = resolve(competition, round_, max_ground_truth_staleness_fraction=0)
    assert found.actuals["resolved_price"] == 100.0


def test_a_tape_that_begins_after_the_round_ends_it(competition):
    put_candles(START + 3 * MINUTE, [100.0])
    [found] = resolve(competition, make_round(competition, START + MINUTE, {}))
    assert found.reason == (
        "the tape has a gap at the entry of the round: the tape has no record before it"
    )


NO_TRUTH = "no truth came within 1:00:00 after the end of the round"


def test_waiting_ends_once_another_feed_of_the_source_is_past_the_deadline(competition):
    round_ = make_round(competition, START, {})
    deadline = round_.resolvable_at + PATIENCE
    late = deadline + timedelta(days=1)
    put_candles(deadline, [100.0], subject="ETHUSDT")
    assert resolve(competition, round_, now=late)[0].is_waiting
    put_candles(deadline + MINUTE, [100.0], subject="ETHUSDT")
    assert resolve(competition, round_, now=deadline)[0].is_waiting
    assert resolve(competition, round_, now=late)[0].reason == NO_TRUTH


def test_waiting_ends_when_the_clock_has_said_so_for_long(competition):
    round_ = make_round(competition, START, {})
    late = round_.resolvable_at + PATIENCE + SECOND
    assert resolve(competition, round_, now=late)[0].is_waiting
    round_.overdue_at = late
    assert resolve(competition, round_, now=late + DOUBT - SECOND)[0].is_waiting
    assert resolve(competition, round_, now=late + DOUBT)[0].reason == NO_TRUTH


def test_a_horizon_of_zero_is_resolved_by_its_own_input(competition):
    raw = {"actual_return": 0.5, "symbol": "BTCUSDT"}
    round_ = make_round(competition, START, {}, horizon_s=0, raw_data=raw)
    [found] = resolve(competition, round_)
    assert (found.actuals, found.provenance) == (raw, {"from": "input"})


def test_rounds_of_one_subject_never_use_anothers_prices(competition):
    put_candles(START, [100.0, 110.0])
    put_candles(START, [7.0, 14.0], subject="ETHUSDT")
    a = make_round(competition, START + MINUTE, {})
    b = make_round(
        competition, START + MINUTE + timedelta(seconds=1), {}, subject="ETHUSDT"
    )
    returns = [t.actuals["actual_return"] for t in resolve(competition, a, b)]
    assert returns == [pytest.approx(0.1), 1.0]


def test_rounds_of_a_subject_share_two_reads_of_the_tape(
    competition, django_assert_num_queries
):
    put_candles(START, [100.0 + i for i in range(9)])
    rounds = [make_round(competition, START + i * MINUTE, {}) for i in range(1, 7)]
    fresh = list(Round.objects.filter(pk__in=[r.pk for r in rounds]))
    with django_assert_num_queries(0):  # the tape has connections of its own
        found = resolve(competition, *fresh)
    assert all(t.actuals for t in found)


def test_a_round_performed_in_the_future_is_not_due(competition):
    """As a worker whose clock is ahead has left it."""
    [model] = make_models(competition, "a")
    put_candles(START, [100.0 + i for i in range(30)])
    make_round(competition, NOW + MINUTE, {model: 1.0})
    assert not Round.objects.due(NOW).exists()
    assert run_cycle(competition_id=competition.pk).waiting == 0
    assert Round.objects.get().status == "RECEIVED"


def test_the_provider_is_asked_before_the_contracts_resolver_goes_without(
    competition, exchange, rewire
):
    rewire(resolve_ground_truth=first_and_last)
    put_candles(START, [100.0, None, 120.0])
    exchange.records = candles(START, [100.0, 110.0, 120.0])
    make_round(competition, START + MINUTE, {})
    assert run_cycle(competition_id=competition.pk).resolved == 1
    assert len(exchange.asked) == 1
    assert Round.objects.get().actuals["resolved_price"] == 110.0


def test_a_record_without_a_price_ends_the_round_but_not_the_contracts(competition):
    competition.feed_kind, competition.feed_granularity = "funding", "8h"
    record = FeedRecord(
        SOURCE, SUBJECT, "funding", "8h", START, {"funding_rate": -0.01}
    )
    later = replace(record, ts_event=START + MINUTE)
    assert not append([record, later]).refused
    round_ = make_round(competition, START, {})
    [found] = resolve(competition, round_)
    assert found.reason == "the record at the entry of the round has no price"
    [found] = resolve(
        competition, round_, resolve_ground_truth=lambda records: {"up": len(records)}
    )
    assert found.actuals == {"up": 2}
