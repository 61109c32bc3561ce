"""The examples and the documented model: unit, time, what they are shown."""

import importlib.util
import re
import sys

import pytest

from competitions.defaults import scoring_function
from competitions.local_models.launch import PACKAGE, PROJECT

EXAMPLES = PROJECT / "competitions" / "local_models" / "examples"
DOCS = PROJECT / "docs" / "participant" / "models.md"


@pytest.fixture(autouse=True)
def tracker(monkeypatch):
    monkeypatch.syspath_prepend(str(PACKAGE))
    yield importlib.import_module("tracker")
    sys.modules.pop("tracker")


def model_in(source, base):
    names = {}
    exec(source, names)
    return next(
        kind()
        for kind in names.values()
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base
    )


def candles(closes, step_s):
    rows = [
        {"ts": step_s * i, "open": c, "high": c, "low": c, "close": c, "volume": 1.0}
        for i, c in enumerate(closes)
    ]
    return {"symbol": "BTCUSDT", "asof_ts": rows[-1]["ts"], "candles_1m": rows}


def answer_of(model, closes, step_s, horizon_s=60):
    model.feed_update(candles(closes, step_s))
    return model.predict("BTCUSDT", horizon_s, 15)["value"]


RISING = [100.0 * 1.0001**i for i in range(121)]  # a basis point each candle


def test_a_trend_is_carried_to_the_horizon_in_the_candles_own_time(tracker):
    source = (EXAMPLES / "momentum" / "main.py").read_text()
    for step_s, candles_ahead in ((1, 60), (60, 1), (15, 4)):
        value = answer_of(model_in(source, tracker.TrackerBase), RISING, step_s)
        assert value == pytest.approx(candles_ahead, rel=0.01)


@pytest.mark.parametrize(
    "name", [path.parent.name for path in sorted(EXAMPLES.glob("*/main.py"))]
)
def test_every_example_answers_basis_points(tracker, name):
    jumping = [100.0 + (0.02 if i % 3 else 0.0) + 0.001 * i for i in range(121)]
    source = (EXAMPLES / name / "main.py").read_text()
    value = answer_of(model_in(source, tracker.TrackerBase), jumping, 1)
    assert 0.1 < abs(value) < 200


def test_the_model_of_the_documents_scores_what_a_board_shows(tracker):
    (source,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    value = answer_of(model_in(source, tracker.TrackerBase), RISING, 1)
    assert value == pytest.approx(5, rel=0.01)

    class Of:
        def __init__(self, **facts):
            self.__dict__ |= facts

    came = RISING[60] / RISING[0] - 1
    score = scoring_function(Of(value=value), Of(actual_return=came))["value"]
    assert f"{score:.2f}" == "300.95"


def test_a_model_that_overrides_tick_is_called_with_every_feed_update(tracker):
    class Older(tracker.TrackerBase):
        ticks = 0

        def tick(self, data):
            super().tick(data)
            self.ticks += 1

    model = Older()
    model.feed_update(candles([1.0, 2.0], 1))
    assert (model.ticks, model.closes("BTCUSDT")) == (1, [1.0, 2.0])
    model.tick(candles([3.0], 1))  # a coordinator that still says so
    assert (model.ticks, model.closes("BTCUSDT")) == (2, [3.0])


def test_the_length_of_a_candle_is_seen_through_gaps(tracker):
    model = tracker.TrackerBase()
    assert model.seconds_per_candle("BTCUSDT") == 60
    data = candles([1.0, 2.0, 3.0, 4.0], 15)
    del data["candles_1m"][1]
    model.feed_update(data)
    assert model.seconds_per_candle("BTCUSDT") == 15


def test_ticks_are_prices_too(tracker):
    model = tracker.TrackerBase()
    ticks = [{"ts": 1, "price": 5.0}, {"ts": 3, "price": 6.0}]
    model.feed_update({"symbol": "BTCUSDT", "asof_ts": 3, "ticks": ticks})
    assert model.closes("BTCUSDT") == [5.0, 6.0]
