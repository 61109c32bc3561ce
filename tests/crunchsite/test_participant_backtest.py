"""A backtest of the participant's package: in pieces, in columns, in little memory."""

import importlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.participants import imported, lay_out

BEGIN = datetime(2026, 3, 2, 20, tzinfo=UTC)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)
OUTPUT = st.dictionaries(st.sampled_from(["value", "a", 'q"%s', "b"]), JSON, max_size=3)


@pytest.fixture(scope="module", params=["baseline", "trading"])
def package(request, tmp_path_factory):
    """Import the package of a pack; gives its modules by name."""
    folder = tmp_path_factory.mktemp("desk")
    feed = {"kind": "candle", "granularity": "1m"}
    with imported(lay_out(folder, request.param, name="desk", feed=feed)) as found:
        yield lambda name: importlib.import_module(f"{found.__name__}.{name}")


class Steps:
    """Bets by the last step; fails now and then."""

    asked = 0

    def feed_update(self, data):
        self.rows = data["candles_1m"]

    def predict(self, *arguments):
        self.asked += 1
        if self.asked % 50 == 7:
            raise ValueError("no mood")
        step = self.rows[-1]["close"] - self.rows[0]["close"]
        side = "buy" if step > 0 else "sell"
        return {"value": step, "action": side, "amount": abs(step), "n": self.asked}


class Gapped:
    """Made-up data with holes; `asked` has the pieces in which it was read."""

    def __init__(self, package):
        self._inner = package("made_up_data").MadeUpData()
        self._kind = package("day_files").Series
        self.asked = []

    def load(self, subject, since, until):
        self.asked.append((since, until))
        found = self._inner.load(subject, since, until)
        minute = found.opened_s // 60
        keep = (minute % 97 > 4) & (minute % 1440 > 3) & (minute % 1440 < 1425)
        columns = {name: column[keep] for name, column in found.columns.items()}
        return self._kind(found.opened_s[keep], found.closed_s[keep], columns)


def played(package, monkeypatch, records_at_once, rounds_in_block):
    monkeypatch.setattr(package("recording"), "RECORDS_AT_ONCE", records_at_once)
    monkeypatch.setattr(package("recording"), "ROWS_AT_ONCE", rounds_in_block * 2)
    monkeypatch.setattr(package("asking"), "ROUNDS_IN_BLOCK", rounds_in_block)
    rules = dict(package("config").rules())
    question, rules["staleness_fraction"] = rules["schedule"][0], 0.01
    rules["schedule"] = [
        {**question, "every_s": 300, "horizon_s": 5400},
        {**question, "every_s": 900, "horizon_s": 100_000, "scope_key": "long"},
    ]
    data = Gapped(package)
    runner = package("backtest").BacktestRunner(Steps, data, rules=rules, pull=False)
    return runner.run(BEGIN, BEGIN + timedelta(hours=60)), data


def test_pieces_and_blocks_change_nothing(package, monkeypatch):
    whole, at_once = played(package, monkeypatch, 10**9, 10**6)
    daily, by_day = played(package, monkeypatch, 1, 7)
    assert (len(at_once.asked) < 4, len(by_day.asked) > 4) == (True, True)
    assert list(daily.rounds) == list(whole.rounds)
    assert (daily.digest, daily.problems) == (whole.digest, whole.problems)
    assert daily.as_dict() == whole.as_dict()
    for one, other in zip(daily.snapshots, whole.snapshots, strict=True):
        np.testing.assert_array_equal(one.pop("parts"), other.pop("parts"))
        assert one == other
    statuses = [row["status"] for row in whole.rounds]
    assert {*statuses} == {"RESOLVED", "UNRESOLVABLE", "MISSED"}


def test_the_digest_is_that_of_the_rows_one_by_one(package, monkeypatch):
    result, _ = played(package, monkeypatch, 10**9, 100)
    scores = package("round_scores")
    lines = [scores.digest_line(row) for row in result.rounds]
    blocks = range(len(result.rounds.blocks))
    found = [line for n in blocks for line in scores.digest_lines(result.rounds, n)]
    assert found == lines
    assert result.rounds[3:9] == list(result.rounds)[3:9]
    assert result.rounds[-1] == list(result.rounds)[-1]
    frame = pytest.importorskip("pandas") and result.predictions_df
    assert list(frame["scope_key"]) == [row["scope_key"] for row in result.rounds]
    known = frame["truth"].notna()
    expected = [truth["actual_return"] for truth in frame["truth"][known]]
    assert frame["actual_return"][known].tolist() == expected


def test_days_with_other_columns_are_read_as_far_as_they_agree(package, tmp_path):
    client = package("day_files").BacktestClient("http://127.0.0.1:9", tmp_path)
    folder = client._folder("BTCUSDT")
    folder.mkdir(parents=True)
    for day, names in ((2, ("close", "quote_volume")), (3, ("close",))):
        opened_us = datetime(2026, 3, day, 21, tzinfo=UTC).timestamp() * 1e6
        columns = {name: np.array([float(day)]) for name in names}
        np.savez(folder / f"2026-03-0{day}", opened_us=np.array([opened_us]), **columns)
    found = client.load("BTCUSDT", BEGIN, BEGIN + timedelta(days=2))
    assert {name: c.tolist() for name, c in found.columns.items()} == {
        "close": [2.0, 3.0]
    }


@given(blocks=st.lists(st.lists(st.none() | OUTPUT, max_size=12), max_size=3))
def test_objects_come_out_of_a_column_as_they_went_in(package, blocks):
    module = package("json_column")
    column, numbers = module.JsonColumn(), module.NumberColumns()
    for rows in blocks:
        column.append(rows)
        numbers.append(rows)
    for number, rows in enumerate(blocks):
        assert repr(column.block(number)) == repr(rows)
        assert column.texts(number) == [module.as_json(row) for row in rows]
    flat = [(row or {}).get("value") for rows in blocks for row in rows]
    expected = [float(v) if module.is_number(v) else np.nan for v in flat]
    np.testing.assert_array_equal(column.numbers("value"), expected)
    if "value" in numbers.names():
        np.testing.assert_array_equal(numbers.numbers("value"), expected)
    else:
        assert np.isnan(expected).all()


def test_memory_grows_by_the_columns_of_the_results_alone(tmp_path):
    """One-second candles asked every 15 s: 18 MB a day if rows were kept."""
    challenge = lay_out(tmp_path, "baseline", name="desk") / "challenge"
    few, many = (peak_of(challenge, days) for days in (1, 4))
    assert many["rounds"] - few["rounds"] == 3 * 5760
    grown = (many["peak_kb"] - few["peak_kb"]) * 1024
    assert grown < 250 * 3 * 5760 + 8_000_000


PEAK = """
import json, resource, sys
from datetime import timedelta
from crunch_desk import backtest, config, made_up_data
from crunch_desk.examples.mean_reversion_tracker import MeanReversion
rules = config.rules()
rules["schedule"][0] |= {"every_s": 15}
begin, days = made_up_data.BEGIN, timedelta(days=int(sys.argv[1]))
data = made_up_data.MadeUpData()
found = backtest(MeanReversion, begin, begin + days, data=data, pull=False).as_dict()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"rounds": found["scored"], "peak_kb": peak}))
"""


def peak_of(challenge, days):
    """Backtest so many days in a process of its own; return its rounds and its peak."""
    found = subprocess.run(
        [sys.executable, "-c", PEAK, str(days)],
        cwd=challenge,
        env={"BACKTEST_GRANULARITY": "1s", "BACKTEST_KIND": "candle"},
        capture_output=True,
        check=True,
    )
    return json.loads(found.stdout)
