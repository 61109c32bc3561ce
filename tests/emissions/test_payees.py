"""Who is paid, and in which order."""

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from competitions.contract import CrunchConfig
from competitions.packs.trading.trading_contract import CONTRACT as TRADING
from competitions.slots import wire
from core.grid import Period
from emissions.payees import payees_of
from scoring.board.standings import standings
from scoring.models import Snapshot
from tests.emissions.conftest import DAY, HOUR, MIDNIGHT, snap
from tests.scoring.factories import make_models, make_round

WIRING = wire(CrunchConfig(), {})


@settings(
    max_examples=15,
)
@given(
    st.lists(
        st.tuples(st.sampled_from([-2.0, 0.0, 0.5, 3.0]), st.integers(0, 3)),
        min_size=1,
        max_size=8,
    )
)
def test_payout_order_is_the_order_of_the_board(competition, scores):
    with transaction.atomic():
        models = make_models(competition, *(f"m{i}" for i in range(len(scores))))
        for model, (value, count) in zip(models, scores, strict=True):
            snap(model, MIDNIGHT - HOUR, value, count)
        facts = {"competition": competition, "wiring": WIRING}
        paid = [
            entry["model_id"]
            for entry in payees_of(
                period=Period(MIDNIGHT - DAY, MIDNIGHT), **facts
            ).ranking
        ]
        board = [
            line.model.model_id
            for line in standings(as_of=MIDNIGHT, **facts)
            if line.value is not None
        ]
        transaction.set_rollback(True)
        most = max(count for _, count in scores)
        enough = {
            model.model_id
            for model, (_, count) in zip(models, scores, strict=True)
            if count and count >= most / 2
        }
    assert paid == [model_id for model_id in board if model_id in enough]


def payees(competition, wiring=WIRING):
    return payees_of(
        competition=competition, wiring=wiring, period=Period(MIDNIGHT - DAY, MIDNIGHT)
    )


def test_snapshots_count_in_the_period_in_which_they_end(competition):
    (model,) = make_models(competition, "a")
    snap(model, MIDNIGHT - DAY - HOUR, 1.0, count=7)  # ends with the period before
    snap(model, MIDNIGHT - DAY, 1.0, count=2)
    snap(model, MIDNIGHT - HOUR, 1.0, count=3)
    snap(model, MIDNIGHT, 1.0, count=9)
    (entry,) = payees(competition).ranking
    assert (entry["snapshot_count"], entry["prediction_count"]) == (2, 5)


def test_a_round_that_is_due_at_the_end_is_of_the_next_period(competition):
    for minutes in (2, 1):  # each is due a minute later
        make_round(competition, MIDNIGHT - timedelta(minutes=minutes), {})
    assert payees(competition).rounds_asked == 1


def test_a_model_without_a_figure_is_told_so_and_not_paid(competition):
    known, unknown = make_models(competition, "known", "unknown")
    snap(known, MIDNIGHT - HOUR, 1.0)
    snap(unknown, MIDNIGHT - HOUR, None)
    found = payees(competition)
    assert [(e["rank"], e["model_id"]) for e in found.ranking] == [(1, "known")]
    assert [(e["model_id"], e["reason"]) for e in found.unpaid] == [
        ("unknown", "its ranking figure is unknown")
    ]


def test_who_scored_nothing_is_not_paid_however_little_is_needed(competition):
    wiring = wire(CrunchConfig(min_paid_coverage=0.0), {})
    paid, silent = make_models(competition, "paid", "silent")
    snap(paid, MIDNIGHT - HOUR, 1.0)
    snap(silent, MIDNIGHT - HOUR, None, count=0)
    assert [e["reason"] for e in payees(competition, wiring).unpaid] == [
        "it scored in no round of the period"
    ]


def test_the_error_of_a_figure_is_that_of_its_weighted_mean(competition):
    one, two, big = make_models(competition, *"abc")
    snap(one, MIDNIGHT - HOUR, 1.0)
    for start, value, count in ((3, 1.0, 10), (2, 2.0, 20), (1, 6.0, 10)):
        snap(two, MIDNIGHT - start * HOUR, value, count=count)
    for start in (2, 1):
        snap(big, MIDNIGHT - start * HOUR, 1.5, count=100_000)  # squared, beyond int4
    found = payees_of(
        competition=competition,
        wiring=wire(CrunchConfig(min_paid_coverage=0), {}),
        period=Period(MIDNIGHT - DAY, MIDNIGHT),
    )
    errors = {each["model_id"]: each["standard_error"] for each in found.ranking}
    # Weights 1, 2, 1 of 4; the mean is 2.75: sqrt(1.75² + 4 * 0.75² + 3.25²) / 4.
    expected = ((1.75**2 + 4 * 0.75**2 + 3.25**2) * 3 / 2) ** 0.5 / 4
    assert errors == {"a": None, "b": pytest.approx(expected, rel=1e-9), "c": 0.0}
    values = {each["model_id"]: each["ranking_value"] for each in found.ranking}
    assert values == {"a": 1.0, "b": 2.75, "c": 1.5}


def test_a_trading_period_pays_by_the_profit_of_all_its_hours(competition):
    """A lost hour of silence counts, and equal profits are equal."""
    quick, steady, alike = make_models(competition, *"abc")
    for model, hours in (
        (quick, [(50.0, 60), (-80.0, 40)]),
        (steady, [(0.1, 50), (0.2, 50), (-0.3, 10)]),
        (alike, [(0.0, 100)]),
    ):
        for start, (value, count) in enumerate(hours, 1):
            snap(model, MIDNIGHT - start * HOUR, value, count=count)
    snap(quick, MIDNIGHT - 3 * HOUR, None, count=0)
    Snapshot.objects.filter(model=quick, prediction_count=0).update(value=-7.0)
    found = payees(competition, wire(TRADING, {})).ranking
    assert [(each["model_id"], each["ranking_value"]) for each in found] == [
        *(("b", 0.0), ("c", 0.0), ("a", -37.0))
    ]
    # 50, -80, -7 about their mean: of three values, times three.
    assert found[2]["standard_error"] == pytest.approx(
        ((62.33333**2 + 67.66667**2 + 5.33333**2) * 3 / 2) ** 0.5, rel=1e-6
    )


def test_an_hour_whose_value_is_unknown_has_no_weight(competition):
    """Mean 3 of the known hour, not 1.5 with 0 for the other."""
    (model,) = make_models(competition, "a")
    snap(model, MIDNIGHT - HOUR, 3.0)
    snap(model, MIDNIGHT - 2 * HOUR, None)
    facts = {"competition": competition, "wiring": WIRING}
    assert payees(competition).ranking[0]["ranking_value"] == 3.0
    assert standings(as_of=MIDNIGHT, **facts)[0].value == 3.0
