"""A round shows nothing that is too old, and keeps how old what it showed was."""

from datetime import timedelta

import pytest

from competitions import grid_dispatch
from competitions.contract import CrunchConfig
from competitions.models import Prediction, Round
from competitions.rounds import freshness
from competitions.rounds.perform import perform_waiting
from competitions.slots import wire
from tests.competitions.conftest import AnsweringGateway
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("tape")  # its newest candle closed at NOW


def ask_at(at, when, competition):
    with at(when):
        grid_dispatch.predict_now(competition_id=competition.pk)
        perform_waiting(
            competition_id=competition.pk, gateway=AnsweringGateway({"a": 1.0})
        )
    return Round.objects.get(slot_at=when)


@pytest.mark.parametrize("age_s", [0, 60, 180, 190])
def test_a_round_keeps_the_age_of_what_it_showed(competition, at, age_s):
    round_ = ask_at(at, NOW + timedelta(seconds=age_s), competition)
    assert round_.performed_at is not None
    assert round_.input_age_s == age_s


@pytest.mark.parametrize("age_s", [191, 1_800, 6_840])
def test_a_round_on_a_dead_feed_is_missed_and_says_so(competition, at, age_s):
    round_ = ask_at(at, NOW + timedelta(seconds=age_s), competition)
    old = timedelta(seconds=age_s)
    said = f"the newest candle of BTCUSDT is {old} old; 0:03:10 is the most"
    assert (round_.status, round_.reason) == ("MISSED", said)
    assert not Prediction.objects.exists()


def test_the_contract_says_how_many_candles(competition, at, monkeypatch):
    wiring = wire(CrunchConfig(max_input_age_candles=10), {})
    monkeypatch.setattr("competitions.rounds.perform.wiring_of", lambda _: wiring)
    late = NOW + timedelta(minutes=10)
    assert ask_at(at, late, competition).performed_at == late


@pytest.mark.parametrize("asof", [None, "12:00", True, {}])
def test_an_input_that_does_not_say_its_age_has_none(frozen_clock, asof):
    raw = {} if asof is None else {"asof_ts": asof}
    assert freshness.age_s(raw, kind="candle", granularity="1m") is None


def test_a_candle_is_as_old_as_its_close_and_a_tick_as_itself(frozen_clock):
    raw = {"asof_ts": NOW.timestamp() - 90}
    assert freshness.age_s(raw, kind="candle", granularity="1m") == 30
    assert freshness.age_s(raw, kind="tick", granularity="1m") == 90
