"""A round's samples and truths from a file, each bad row named by its line."""

import math
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from competitions.errors import TournamentError
from competitions.models import Round, TournamentRound
from competitions.tournament import dataset
from competitions.tournament.dataset import read_dataset
from tests.competitions.tournament.conftest import SampleGateway, ask_all

CSV = """x,note,truth.actual_return
0,calm,0.5
1,"a, b",-1

2,,0.25
"""
FEATURES = [{"x": 0, "note": "calm"}, {"x": 1, "note": "a, b"}, {"x": 2}]
TRUTHS = [{"actual_return": 0.5}, {"actual_return": -1}, {"actual_return": 0.25}]


@pytest.fixture
def written(tmp_path):
    def write(text, name="march.csv"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def test_a_row_of_a_csv_is_a_sample_and_its_truth(written):
    found = read_dataset(written(CSV))
    assert found.features == FEATURES
    assert found.truths == TRUTHS
    assert found.lines == [2, 3, 5]


def test_a_parquet_file_says_the_same(tmp_path):
    rows = [
        {"x": 0, "note": "calm", "truth.actual_return": 0.5},
        {"x": 1, "note": "a, b", "truth.actual_return": -1.0},
        {"x": 2, "note": None, "truth.actual_return": 0.25},
    ]
    file = tmp_path / "march.parquet"
    pq.write_table(pa.Table.from_pylist(rows), file)
    found = read_dataset(file)
    assert (found.features, found.truths) == (FEATURES, TRUTHS)
    assert found.lines == [1, 2, 3]


ZONE = pa.timestamp("us", "Nowhere/Else")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pa.array([0.5, math.nan]), "line 2: 'x' was nan; JSON has no such value"),
        (pa.array([math.inf]), "line 1: 'x' was inf"),
        (pa.array([[1.0, math.nan]]), "line 1: 'x' was .1.0, nan."),
        (pa.array([0], pa.timestamp("us", "UTC")), "line 1: 'x' was datetime"),
        (pa.array([{"y": date(2026, 3, 1)}]), "line 1: 'x' was {'y': datetime"),
        (pa.array([Decimal("1.5")]), "line 1: 'x' was Decimal"),
        (pa.array([b"\xff"]), "line 1: 'x' was b"),
        (pa.array([0, 2**62], pa.timestamp("us")), "lines 1 to 2: OverflowError"),
        (pa.array([2**30], pa.date32()), "lines 1 to 1: OverflowError"),
        (pa.array([2**62], pa.duration("s")), "lines 1 to 1: OverflowError"),
        (pa.array([0], ZONE), "lines 1 to 1: UnknownTimeZoneError"),
    ],
)
def test_a_value_that_json_has_not_is_refused(tmp_path, values, said):
    file = tmp_path / "march.parquet"
    pq.write_table(pa.table({"x": values}), file)
    with pytest.raises(TournamentError, match=f"march.parquet: {said}"):
        read_dataset(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x,y\n1,2\n1\n", "line 3 had 1 cells; there are 2 columns"),
        ("x,x\n1,2\n", "column 2 was named 'x'"),
        ("x,\n1,2\n", "column 2 was named ''"),
        (b"x\n\xff\n", "UnicodeDecodeError"),
        ('x\n"1\n', "Error"),
    ],
)
def test_a_file_that_is_no_table_is_refused(written, text, said):
    with pytest.raises(TournamentError, match=said):
        read_dataset(written(text))


def test_other_files_are_refused(written, tmp_path):
    for name, said in (("a.xlsx", "ends in"), ("a.parquet", "Arrow|Parquet")):
        with pytest.raises(TournamentError, match=said):
            read_dataset(written("x\n1\n", name))
    with pytest.raises(TournamentError, match="FileNotFoundError"):
        read_dataset(tmp_path / "none.csv")


def test_sizes_are_bounded(written, monkeypatch):
    monkeypatch.setattr(dataset, "MOST_SAMPLES", 2)
    with pytest.raises(TournamentError, match="line 5 was one too many"):
        read_dataset(written(CSV))
    monkeypatch.setattr(dataset, "LARGEST_BYTES", 10)
    with pytest.raises(TournamentError, match="at most 10 are taken"):
        read_dataset(written(CSV))


def test_what_is_no_finite_number_stays_a_text(written):
    [row] = read_dataset(written("a,b,c,d\nNaN,1e999,true,null\n")).features
    assert row == {"a": "NaN", "b": "1e999", "c": True, "d": None}


def test_a_file_is_asked_and_scored_as_a_post(competition, written, capsys):
    file = str(written(CSV))
    for _ in range(2):  # the same file again changes nothing
        call_command("tournament", "infer", competition.slug, "march", file)
    assert list(
        Round.objects.order_by("sample").values_list("raw_data", flat=True)
    ) == (FEATURES)
    with pytest.raises(CommandError, match="post the truth when"):
        call_command("tournament", "score", competition.slug, "march", file)
    ask_all(competition, SampleGateway({"m": float}))
    call_command("tournament", "score", competition.slug, "march", file)
    assert "the next scoring cycle" in capsys.readouterr().out
    actuals = Round.objects.order_by("sample").values_list("actuals", flat=True)
    assert list(actuals) == TRUTHS
    assert TournamentRound.objects.get().truth_at is not None


def test_a_bad_row_is_named_by_its_line_and_nothing_is_kept(competition, written):
    bad = written("x,truth.actual_return\n0,1\n\n1,much\n")
    call_command("tournament", "infer", competition.slug, "march", str(bad))
    ask_all(competition, SampleGateway({"m": float}))
    with pytest.raises(CommandError, match=r"^march.csv: line 4: actual_return"):
        call_command("tournament", "score", competition.slug, "march", str(bad))
    assert set(Round.objects.values_list("actuals", flat=True)) == {None}
    with pytest.raises(CommandError, match="there is none"):
        call_command("tournament", "infer", "nope", "march", str(bad))
    with pytest.raises(CommandError, match="never opened"):
        call_command("tournament", "score", competition.slug, "april", str(bad))
