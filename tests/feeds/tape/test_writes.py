from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.tape import partitions, reads, reports, writes
from feeds.tape.engine import dispose, transaction
from feeds.tape.writes import AppendResult, append
from tests.conftest import NOW
from tests.fakes.texts import ANY_TEXT, JSON
from tests.feeds.factories import KEY, candle

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")

COLUMNS = "subject, ts_event, is_closed, values_jsonb, revision"


def rows(columns=COLUMNS):
    with transaction() as connection:
        statement = sa.text(f"SELECT {columns} FROM tape.feed_records ORDER BY 1, 2")
        return [tuple(row) for row in connection.execute(statement)]


def refusals():
    with transaction() as connection:
        statement = sa.text(
            "SELECT reason, refused_count, last_record FROM tape.feed_refusals "
            "ORDER BY reason"
        )
        return [tuple(row) for row in connection.execute(statement)]


def test_new_records_are_kept_with_their_values():
    assert append([candle(-2), candle(-1)]) == AppendResult(new=2)
    assert rows("ts_event, values_jsonb") == [
        (NOW - timedelta(minutes=2), candle().values),
        (NOW - timedelta(minutes=1), candle().values),
    ]


def test_the_same_records_again_change_nothing():
    append([candle(-1)])
    before = rows("*")
    assert append([candle(-1), candle(-1)]) == AppendResult(unchanged=2)
    assert rows("*") == before


def test_records_of_a_feed_are_counted_once_each():
    """Over several calls, one that changes a record and one that brings nothing new."""
    append([candle(-3), candle(-2)])
    append([candle(-2, 107.0), candle(-1)])
    append([candle(-1)])
    append([candle(-1, subject="ETHUSDT")])
    counts = {s.key.id: s.record_count for s in reports.summaries()}
    assert counts == {
        "simulated:BTCUSDT:candle:1m": 3,
        "simulated:ETHUSDT:candle:1m": 1,
    }


def test_a_late_correction_updates_the_record():
    append([candle(-1, 100.0)])
    assert append([candle(-1, 101.0)]) == AppendResult(updated=1)
    assert rows("values_jsonb ->> 'close', revision") == [("101.5", 1)]


def test_a_closed_candle_replaces_the_open_one():
    append([candle(-1, 100.0, is_closed=False)])
    assert append([candle(-1, 101.0)]) == AppendResult(updated=1)
    assert rows("is_closed, values_jsonb ->> 'close'") == [(True, "101.5")]


def test_an_open_candle_never_replaces_a_closed_one():
    append([candle(-1, 100.0)])
    late = candle(-1, 101.0, is_closed=False)
    assert append([late]) == AppendResult(unchanged=1)
    assert append([candle(-2), late, candle(-2)]) == AppendResult(new=1, unchanged=2)
    assert rows("ts_event, values_jsonb ->> 'close'")[-1][1] == "100.5"


def test_the_watermark_is_the_newest_closed_record():
    append([candle(-3), candle(-2), candle(-1, is_closed=False)])
    assert reads.watermark(key=KEY) == NOW - timedelta(minutes=2)


def test_the_watermark_never_goes_back():
    append([candle(-1)])
    append([candle(-100)])
    assert reads.watermark(key=KEY) == NOW - timedelta(minutes=1)


def test_history_leaves_the_watermark_alone():
    append([candle(-1)], move_watermark=False)
    assert reads.watermark(key=KEY) is None


NESTED: dict = {}
for _ in range(5_000):
    NESTED = {"a": NESTED}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (candle(values={"close": float("nan")}), "not_finite"),
        (candle(values={"high": float("inf")}), "not_finite"),
        (candle(values={"volume": float("nan")}), "not_finite"),
        (candle(values={"low": -1.0}), "negative"),
        (candle(values={"low": 0.0}), "negative"),
        (candle(values={"volume": -1.0}), "negative"),
        (candle(values={"high": 99.0, "low": 101.0}), "high_below_low"),
        (candle(values={"close": 200.0}), "high_below_low"),
        (candle(values={"close": None}), "not_a_number"),
        (candle(values={"close": "100.5"}), "not_a_number"),
        (replace(candle(), values={"close": 1.0}), "value_missing"),
        (candle(values={"extra": float("nan")}), "not_json"),
        (candle(values={"extra": object()}), "not_json"),
        (candle(kind="rumour"), "unknown_kind"),
        (candle(granularity="1x"), "unknown_granularity"),
        (candle(values={"extra": "x" * 70_000}), "too_large"),
        (replace(candle(), meta={"extra": ["x"] * 20_000}), "too_large"),
        (replace(candle(), meta=NESTED), "not_json"),
        (candle(subject="../BTC"), "bad_name"),
        (candle(subject="nul\0\ud800" + "x" * 10**5), "bad_name"),
        (candle(at=NOW + timedelta(seconds=7)), "off_the_grid"),
        (candle(6), "in_the_future"),
        (candle(5), "closed_too_early"),
        (candle(granularity="1d", at=NOW.replace(hour=0)), "closed_too_early"),
        (candle(at=NOW.replace(tzinfo=None)), "no_time_zone"),
        (replace(candle(kind="tick"), values={"price": -1.0}), "negative"),
        (replace(candle(kind="tick"), values={}), "value_missing"),
        (
            replace(candle(kind="funding"), values={"funding_rate": float("nan")}),
            "not_finite",
        ),
        (
            replace(candle(kind="depth"), values={"best_bid": 2.0, "best_ask": 1.0}),
            "bid_above_ask",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(record, reason):
    result = append([candle(-1), record])
    assert result == AppendResult(new=1, refused=1, reasons={reason: 1})
    assert len(rows()) == 1


def test_refusals_are_counted_and_the_last_one_is_shown():
    append([candle(values={"close": float("nan")})])
    append([candle(values={"close": float("inf")}), candle(subject="a b")])
    shown = refusals()
    assert [(reason, count) for reason, count, _ in shown] == [
        ("bad_name", 1),
        ("not_finite", 2),
    ]
    assert "inf" in shown[1][2]


def test_strings_with_tabs_and_backslashes_survive_copy():
    values = {**candle().values, "note": "a\tb\\n\n\"c'é\u2028"}
    append([replace(candle(-1), values=values)])
    assert rows("subject, values_jsonb ->> 'note'")[0][1] == "a\tb\\n\n\"c'é\u2028"


@pytest.mark.parametrize("text", ["\0", "\ud800", "\r\x01", r"\N", "🙂", r"\u0000"])
def test_any_text_beside_the_numbers_costs_no_record(text):
    kept = text.replace("\0", "\ufffd").replace("\ud800", "\ufffd")
    values = {**candle().values, "note": text}
    append([candle(-2), replace(candle(-1), values=values, meta={text: text})])
    found = rows("values_jsonb ->> 'note', meta_jsonb")
    assert dict(map(tuple, found)) == {None: {}, kept: {kept: kept}}


@settings(
    max_examples=50,
)
@given(name=ANY_TEXT, text=ANY_TEXT, meta=JSON)
def test_whatever_an_exchange_says_costs_one_record(name, text, meta):
    odd = candle(-1, subject=name)
    told = replace(candle(-2), values={**candle().values, "x": text}, meta={text: meta})
    result = append([odd, told, candle(-3)])
    assert result.new + result.updated + result.unchanged + result.refused == 3
    assert result.refused <= 2
    assert all(len(shown) <= 1_000 for *_, shown in refusals())


def test_refused_feeds_whose_names_are_kept_alike_are_counted_together():
    assert append([candle(subject=f"a{c}") for c in "\0\x01\x02"]).refused == 3
    ((reason, count, _),) = refusals()
    assert (reason, count) == ("bad_name", 3)


def test_records_of_many_feeds_and_months_go_in_at_once():
    feeds = [candle(subject=f"S{i}", at=NOW - timedelta(days=40 * i)) for i in range(5)]
    assert append(feeds).new == 5
    assert partitions.rows_in_default() == 0


def test_nothing_is_written_when_the_statement_fails(monkeypatch):
    append([candle(-2)])
    before = rows("*")
    monkeypatch.setattr(
        "feeds.tape.writes._move_states", lambda *a, **k: 1 / 0, raising=True
    )
    with pytest.raises(ZeroDivisionError):
        append([candle(-1)])
    assert rows("*") == before
    assert reads.watermark(key=KEY) == NOW - timedelta(minutes=2)


def test_a_connection_whose_first_write_failed_can_write_again(monkeypatch):
    dispose()
    monkeypatch.setattr(writes, "_UPSERT", "SELECT no_such_column")
    with pytest.raises(sa.exc.ProgrammingError):
        append([candle(-1)])
    monkeypatch.undo()
    assert append([candle(-1)]) == AppendResult(new=1)


def test_two_writers_of_the_same_records_do_no_harm():
    records = [candle(-i, 100.0 + i) for i in range(200)]
    barrier, results = Barrier(4), []

    def write(these):
        barrier.wait()
        results.append(append(these))

    threads = [
        Thread(target=write, args=(these,)) for these in (records, records[::-1]) * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result.new for result in results) == 200
    assert len(rows()) == 200


@st.composite
def deliveries(draw):
    """Records of a few minutes and any delivery of them: order, repeats, splits."""
    records = []
    for minute in draw(st.sets(st.integers(-6, -1), min_size=1)):
        price = draw(st.floats(1.5, 1e6))
        stages = draw(st.integers(0, 2))
        records += [
            candle(minute, price + stage, is_closed=False) for stage in range(stages)
        ]
        records.append(candle(minute, price))
    extra = draw(st.lists(st.sampled_from(records), max_size=6))
    delivery = draw(st.permutations(records + extra))
    cuts = sorted(draw(st.lists(st.integers(0, len(delivery)), max_size=4)))
    pieces = [
        delivery[start:end]
        for start, end in zip([0, *cuts], [*cuts, len(delivery)], strict=True)
    ]
    return records, pieces


@given(deliveries())
@settings(
    max_examples=30,
)
def test_any_order_repetition_or_split_gives_the_same_tape(delivery):
    records, pieces = delivery
    columns = "subject, ts_event, is_closed, values_jsonb"

    def tape_after(parts):
        with transaction() as connection:
            connection.execute(
                sa.text("TRUNCATE tape.feed_records, tape.feed_ingestion_state")
            )
        for part in parts:
            append(part)
        return rows(columns), reads.watermark(key=KEY)

    assert tape_after(pieces) == tape_after([records])
