import pytest

from competitions.shared.question_rule import call_arguments, raw_window, scope_of


def test_the_schedules_scope_wins_in_either_spelling():
    defaults = {"subject": "BTCUSDT", "horizon_seconds": 60, "step_seconds": 15}
    found = scope_of(defaults, {"asset": "ETHUSDT", "step": 30}, 120)
    assert (found["subject"], found["step_seconds"]) == ("ETHUSDT", 30)
    assert found["horizon"] == found["resolve_horizon_seconds"] == 120


def test_an_argument_is_of_the_contracts_type_or_refused():
    wanted = [("subject", "STRING"), ("step_seconds", "INT")]
    assert call_arguments(wanted, {"subject": 7, "step_seconds": "15"}) == ["7", 15]
    with pytest.raises(ValueError, match="'step_seconds' was 'x'"):
        call_arguments(wanted, {"subject": "B", "step_seconds": "x"})
    with pytest.raises(ValueError, match="'subject' is not in the scope"):
        call_arguments(wanted, {})


def test_the_window_has_the_key_of_its_kind():
    rows = [{"ts": 1, "price": 2.0}]
    assert raw_window("BTC", "tick", rows) == {
        "symbol": "BTC",
        "asof_ts": 1,
        "ticks": rows,
    }
    assert "candles_1m" in raw_window("BTC", "candle", rows)
