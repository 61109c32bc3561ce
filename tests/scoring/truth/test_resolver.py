"""The contract's own resolver."""

import threading
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from competitions.contract import CrunchConfig
from competitions.slots import wire
from feeds.tape.records import FeedRecord
from feeds.tape.writes import append
from scoring.truth import resolver
from scoring.truth.resolve import resolve as resolve_due
from tests.conftest import NOW
from tests.scoring.factories import (
    SOURCE,
    SUBJECT,
    make_round,
    put_candles,
)
from tests.scoring.truth.conftest import MINUTE, SECOND, START, first_and_last, resolve

ORACLE = {}
ORACLE_PATH = "tests.scoring.truth.test_resolver:oracle"


def oracle(prediction):
    return ORACLE["answer"](prediction)


def ask_oracle(competition, *rounds):
    wiring = wire(CrunchConfig(), {"GROUND_TRUTH_RESOLVER": ORACLE_PATH})
    return resolve_due(
        competition=competition, wiring=wiring, rounds=rounds, now=NOW
    ).truths


def test_a_resolver_of_the_operator_is_called_per_round(competition):
    ORACLE["answer"] = lambda record: {"actual_return": float(record.pk)}
    rounds = [make_round(competition, START + i * MINUTE, {}) for i in range(2)]
    found = ask_oracle(competition, *rounds)
    assert [t.actuals["actual_return"] for t in found] == [r.pk for r in rounds]
    assert found[0].provenance == {"from": ORACLE_PATH}


def test_a_raising_resolver_leaves_its_round_waiting_and_no_other(competition):
    def answer(record):
        if record.performed_at == START:
            raise RuntimeError("no oracle")
        return {"actual_return": 1.0}

    ORACLE["answer"] = answer
    rounds = [make_round(competition, START + i * MINUTE, {}) for i in range(2)]
    first, second = ask_oracle(competition, *rounds)
    assert first.is_waiting
    assert second.actuals


@pytest.mark.parametrize(
    "actuals",
    [
        {"actual_return": float("nan")},
        {"note": "a\x00b"},
        {"at": NOW},
        [1.0],
        "up",
    ],
)
def test_a_truth_that_no_column_can_hold_leaves_its_round_waiting(competition, actuals):
    ORACLE["answer"] = lambda record: actuals
    assert ask_oracle(competition, make_round(competition, START, {}))[0].is_waiting


@pytest.fixture
def woken():
    """Calls that hang wait for it, until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_a_round_for_which_a_resolver_hangs_waits_alone(
    competition, monkeypatch, woken
):
    rounds = [make_round(competition, START + i * MINUTE, {}) for i in range(4)]
    asked = []

    def answer(record):
        asked.append(record.pk)
        if record.pk == rounds[1].pk:
            woken.wait(600)
        return {"actual_return": 1.0}

    ORACLE["answer"] = answer
    with monkeypatch.context() as patch:
        patch.setattr(resolver, "RESOLVER_PATIENCE_S", 0.05)
        assert ask_oracle(competition, rounds[1])[0].is_waiting
    for _ in range(2):
        found = ask_oracle(competition, *rounds)
        assert [t.is_waiting for t in found] == [False, True, False, False]
    assert asked.count(rounds[1].pk) == 1


def test_a_resolver_that_keeps_hanging_is_left_alone_and_its_rounds_wait(
    competition, monkeypatch, woken
):
    monkeypatch.setattr(resolver, "RESOLVER_PATIENCE_S", 0.05)
    asked = []

    def hang(record):
        asked.append(record)
        woken.wait(600)

    ORACLE["answer"] = hang
    rounds = [make_round(competition, START + i * MINUTE, {}) for i in range(6)]
    for _ in range(3):
        assert all(t.is_waiting for t in ask_oracle(competition, *rounds))
    assert len(asked) == 3


def closes_of(feed_records):
    return {"closes": [record.values["close"] for record in feed_records]}


def closes_of_both(feed_records, prediction=None):
    return closes_of(feed_records) | {"horizon": str(prediction.resolvable_at)}


@pytest.mark.parametrize("resolver", [closes_of, closes_of_both])
def test_the_contracts_resolver_sees_the_closed_records(competition, resolver):
    put_candles(START, [100.0, 110.0, 120.0, 130.0])
    round_ = make_round(competition, START + MINUTE, {}, horizon_s=120)
    [found] = resolve(competition, round_, resolve_ground_truth=resolver)
    assert found.actuals["closes"] == [100.0, 110.0, 120.0]
    assert ("horizon" in found.actuals) == (resolver is closes_of_both)


def test_the_contracts_resolver_is_not_asked_too_early(competition):
    put_candles(START, [100.0])
    round_ = make_round(competition, START + MINUTE, {})
    [found] = resolve(competition, round_, resolve_ground_truth=lambda feed_records: {})
    assert found.is_waiting


GAPS = st.lists(st.sampled_from([None, 100.0, 110.0]), min_size=1, max_size=9)


@settings(
    max_examples=40,
)
@given(
    closes=GAPS, after_s=st.integers(0, 60), horizon_s=st.sampled_from([15, 60, 300])
)
@example(closes=[100.0, None, 110.0], after_s=0, horizon_s=60)
@example(closes=[None, 100.0], after_s=0, horizon_s=15)
def test_the_contracts_resolver_ends_a_round_when_the_engine_would(
    competition, tape, closes, after_s, horizon_s
):
    """Settled, stale, waiting or out of patience: the same, and the same two ends."""
    tape()
    if any(closes):
        put_candles(START, closes)
    at = START + MINUTE + timedelta(seconds=after_s)
    with transaction.atomic():
        round_ = make_round(competition, at, {}, horizon_s=horizon_s)
        for now in (NOW, NOW + timedelta(days=1)):
            [engine] = resolve(competition, round_, now=now)
            [contract] = resolve(
                competition, round_, now=now, resolve_ground_truth=first_and_last
            )
            assert (contract.actuals, contract.reason) == (
                engine.actuals,
                engine.reason,
            )
            if engine.provenance:
                where = {"from": "contract:resolve_ground_truth"}
                assert contract.provenance == engine.provenance | where
        transaction.set_rollback(True)


def put_ticks(first, count, *, per_s=5):
    records = [
        FeedRecord(
            source=SOURCE,
            subject=SUBJECT,
            kind="tick",
            granularity="1s",
            ts_event=first + timedelta(seconds=i / per_s),
            values={"price": 100.0 + i},
        )
        for i in range(count)
    ]
    assert not append(records).refused


def test_the_contracts_resolver_sees_every_tick_of_the_round(competition):
    competition.feed_kind, competition.feed_granularity = "tick", "1s"
    put_ticks(START, 5 * 120)
    round_ = make_round(competition, START + 30 * SECOND + SECOND / 10, {})
    seen = []

    def resolver(feed_records):
        seen.extend(record.values["price"] for record in feed_records)
        return {"actual_return": 0.5}

    [found] = resolve(competition, round_, resolve_ground_truth=resolver)
    assert found.actuals == {"actual_return": 0.5}
    assert seen == [100.0 + i for i in range(150, 451)]


def test_the_contracts_resolver_is_not_shown_stale_ticks(competition):
    competition.feed_kind, competition.feed_granularity = "tick", "1s"
    put_ticks(START, 5 * 40)
    put_ticks(START + 2 * MINUTE, 1)
    [found] = resolve(
        competition,
        make_round(competition, START, {}),
        resolve_ground_truth=lambda feed_records: {"actual_return": 0.5},
    )
    assert found.reason == (
        "the tape has a gap at the exit of the round: the last one before closed "
        "20.2 s earlier, 12 s are allowed"
    )
