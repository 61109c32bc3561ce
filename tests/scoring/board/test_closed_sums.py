"""Sums in memory make what a full rebuild makes."""

from datetime import timedelta

import pytest

from competitions.models import (
    Competition,
)
from scoring.board import closed_sums, windows
from scoring.models import Snapshot
from tests.conftest import NOW
from tests.scoring.board.conftest import lines_at, snap
from tests.scoring.factories import make_models


def test_sums_in_memory_and_of_the_open_period_make_what_a_full_rebuild_makes(
    competition,
):
    a, b, c = make_models(competition, *"abc")
    snap(a, 1, 1.0, count=3, ic=0.5)
    snap(b, 2, None, count=2)
    for model, value in ((a, 4.0), (c, 2.0)):
        snap(model, 0, value, ic=0.1)
    Snapshot.objects.filter(period_end__gt=NOW).update(is_closed=False)
    later = NOW + timedelta(minutes=10)
    closed_sums.forget()
    [cold, warm] = [lines_at(competition, as_of=later) for _ in range(2)]
    assert cold == warm
    Snapshot.objects.update(is_closed=False)
    closed_sums.forget()
    assert lines_at(competition, as_of=later) == cold
    assert cold["a"].metrics["score_recent"] == 7 / 4
    assert cold["a"].metrics["ic"] == pytest.approx(0.4)
    assert cold["b"].samples["score_recent"] == {"count": 0, "expected": 2}


def test_sums_in_memory_follow_a_window_after_a_change_of_the_period_length(
    competition,
):
    [model] = make_models(competition, "a")
    for hours_ago, value in ((24, 100.0), (23, 5.0), (1, 1.0)):
        snap(model, hours_ago, value)
    Competition.objects.update(snapshot_period_s=86400)
    competition.refresh_from_db()
    closed_sums.forget()
    minute = timedelta(minutes=1)
    found = [
        lines_at(competition, as_of=NOW + late)["a"].metrics["score_recent"]
        for late in (minute, 59 * minute, 61 * minute)
    ]
    assert found == pytest.approx([106 / 3, 106 / 3, 3.0])


def test_a_period_that_is_closed_while_a_board_is_read_counts_once(
    competition, monkeypatch
):
    [model] = make_models(competition, "a")
    snap(model, 2, 1.0)
    open_one = Snapshot.objects.filter(pk=snap(model, 1, 3.0).pk)
    open_one.update(is_closed=False)
    closed_sums.forget()
    before = lines_at(competition)["a"]
    state = closed_sums.closed_state(competition)
    open_one.update(is_closed=True)
    with monkeypatch.context() as patched:  # a reader that has just looked
        patched.setattr(windows, "closed_state", lambda competition: state)
        meanwhile = lines_at(competition)["a"]
    assert before == meanwhile == lines_at(competition)["a"]
    assert before.value == 2.0
    assert before.samples["score_recent"] == {"count": 2, "expected": 2}
