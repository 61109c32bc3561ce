import threading
from datetime import timedelta

import pytest
from django.db.models import F

from competitions.callables import guarded_calls
from competitions.contract import CrunchConfig
from competitions.models import (
    CallableFailure,
    ParticipantModel,
    Prediction,
)
from competitions.slots import wire
from scoring.board.leaderboard import publish
from scoring.models import Leaderboard, Score, Snapshot
from tests.conftest import NOW
from tests.scoring.board.conftest import HOUR, REVERSED, WIRING, lines_at, snap
from tests.scoring.factories import make_models, make_round


def test_windows_are_count_weighted_and_half_open(competition):
    [model] = make_models(competition, "a")
    snap(model, 1, 1.0, count=3)
    snap(model, 24, 5.0, count=1)  # [now - 24 h, now - 23 h): in
    snap(model, 25, 100.0)  # ends at now - 24 h: out of the shortest window
    snap(model, 0, 100.0)  # begins at now: out
    metrics = lines_at(competition)["a"].metrics
    assert metrics["score_recent"] == 2.0
    assert metrics["score_steady"] == metrics["score_anchor"] == 108 / 5


def test_an_empty_window_is_unknown_not_zero(competition):
    [model] = make_models(competition, "a")
    snap(model, 50, -2.0)
    line = lines_at(competition)["a"]
    assert line.metrics["score_recent"] is None
    assert line.metrics["score_steady"] == -2.0
    assert line.samples["score_recent"] == {"count": 0, "expected": 0}


def test_coverage_counts_what_was_expected(competition):
    [model] = make_models(competition, "a")
    snap(model, 1, 1.0, count=3)
    snap(model, 2, None, count=5)
    assert lines_at(competition)["a"].samples["score_recent"] == {
        "count": 3,
        "expected": 8,
    }


def test_a_model_that_left_is_listed_while_it_has_scores(competition):
    a, b = make_models(competition, *"ab")
    ParticipantModel.objects.update(state="STOPPED")
    snap(a, 100, 1.0)
    snap(b, 200, 1.0)
    assert list(lines_at(competition)) == ["a"]


def test_the_newest_board_replaces_that_of_its_hour_and_past_hours_stay(competition):
    make_models(competition, "a")
    for minutes in (0, 5, 59, 60, 61):
        publish(
            competition=competition,
            wiring=WIRING,
            now=NOW + timedelta(minutes=minutes),
        )
    boards = Leaderboard.objects.order_by("as_of").values_list(F("as_of"), "is_newest")
    tick = timedelta.resolution
    assert list(boards) == [
        (NOW + timedelta(minutes=59) + tick, False),
        (NOW + timedelta(minutes=61) + tick, True),
    ]


def test_the_newest_boards_rows_are_updated_in_place_and_leave_with_their_model(
    competition,
):
    a, b, c = make_models(competition, *"abc")
    for i, model in enumerate((a, b)):
        snap(model, 0, float(i))
    Snapshot.objects.update(is_closed=False)
    first = publish(competition=competition, wiring=WIRING, now=NOW)
    keys = dict(first.entries.values_list("model__model_id", "pk"))
    assert sorted(keys) == ["a", "b", "c"]
    ParticipantModel.objects.filter(pk=c.pk).update(state="STOPPED")
    Snapshot.objects.filter(model=a).update(value=9.0)
    second = publish(
        competition=competition, wiring=WIRING, now=NOW + timedelta(minutes=1)
    )
    assert second.pk == first.pk
    assert dict(second.entries.values_list("model__model_id", "pk")) == {
        "a": keys["a"],
        "b": keys["b"],
    }
    ranks = second.entries.values_list("model__model_id", "rank", "ranking_value")
    assert list(ranks.order_by("rank")) == [("a", 1, 9.0), ("b", 2, 1.0)]


LOSSY = "tests.scoring.board.test_leaderboard:forgets_one"


def worst_first(entries):
    return [{**e, "rank": len(entries) - i} for i, e in enumerate(entries)]


def forgets_one(entries):
    return [{**e, "rank": 1} for e in entries[1:]]


def raises(entries):
    raise ZeroDivisionError


def hangs(entries):
    AWAKE.wait(60)


def leaves(entries):
    raise SystemExit


def answers_text(entries):
    return [{**e, "rank": "first"} for e in entries]


def answers_nothing(entries):
    return None


AWAKE = threading.Event()


@pytest.mark.parametrize(
    ("ranker", "said"),
    [
        ("forgets_one", "it ranked 1 entries of 2"),
        ("raises", "ZeroDivisionError"),
        ("hangs", "it took longer than"),
        ("leaves", "it left with SystemExit"),
        ("answers_text", "valid integer"),
        ("answers_nothing", "valid list"),
    ],
)
def test_while_a_ranker_fails_the_engines_order_stands_in_and_says_so(
    competition, monkeypatch, ranker, said
):
    if ranker == "hangs":
        AWAKE.clear()
        monkeypatch.setattr(guarded_calls, "PATIENCE_S", 0.2)
    a, b = make_models(competition, *"ab")
    snap(a, 1, 1.0)
    snap(b, 1, 2.0)
    own = f"tests.scoring.board.test_leaderboard:{ranker}"
    wiring = wire(CrunchConfig(), {"LEADERBOARD_RANKER": own})
    board = publish(competition=competition, wiring=wiring, now=NOW)
    AWAKE.set()
    order = board.entries.order_by("rank").values_list("model__model_id", flat=True)
    assert list(order) == ["b", "a"]
    assert board.meta == {"stand_ins": ["LEADERBOARD_RANKER"]}
    failure = CallableFailure.objects.get()
    assert (failure.callable, failure.path, failure.count) == (
        "LEADERBOARD_RANKER",
        own,
        1,
    )
    assert said in failure.text

    good = wire(CrunchConfig(), {"LEADERBOARD_RANKER": REVERSED})
    board = publish(competition=competition, wiring=good, now=NOW)
    assert board.meta == {}
    assert not CallableFailure.objects.exists()


def test_a_board_older_than_the_newest_is_not_published(competition):
    make_models(competition, "a")
    publish(competition=competition, wiring=WIRING, now=NOW)
    slow = publish(
        competition=competition, wiring=WIRING, now=NOW - timedelta(seconds=30)
    )
    assert slow is None
    assert Leaderboard.objects.get().as_of > NOW


def test_a_board_that_took_minutes_does_not_replace_a_later_one(competition, at):
    make_models(competition, "a")
    later = NOW + timedelta(minutes=4)
    with at(later):
        publish(competition=competition, wiring=WIRING, now=later)
        assert publish(competition=competition, wiring=WIRING, now=NOW) is None
    assert Leaderboard.objects.get().as_of > later


AGGREGATOR = "tests.scoring.board.test_leaderboard:counts_scores"


def counts_scores(scored_predictions, models):
    return [
        {
            "model_id": model_id,
            "score": {
                "metrics": {
                    "score_recent": float(
                        sum(s["model_id"] == model_id for s in scored_predictions)
                    )
                }
            },
        }
        for model_id in models
    ]


def test_an_aggregator_of_the_operator_gives_the_figures(competition):
    models = a, b = make_models(competition, *"ab")
    for i, model in enumerate([a, b, b]):
        round_ = make_round(competition, NOW - (i + 5) * timedelta(minutes=1), {})
        round_.status, round_.actuals = "RESOLVED", {}
        round_.resolved_at = NOW - HOUR
        round_.save()
        prediction = Prediction.objects.create(
            round=round_, model=model, outcome="ANSWERED", performed_at=NOW
        )
        Score.objects.create(
            prediction=prediction,
            model=model,
            value=9.0,
            success=True,
            scored_at=NOW - HOUR,
        )
    for model in models:
        snap(model, 1, 5.0)
    wiring = wire(CrunchConfig(), {"MODEL_SCORE_AGGREGATOR": AGGREGATOR})
    found = lines_at(competition, wiring=wiring)
    assert {key: line.value for key, line in found.items()} == {"b": 2.0, "a": 1.0}


NO_NUMBERS = "tests.scoring.board.test_leaderboard:gives_no_numbers"


def gives_no_numbers(scored_predictions, models):
    values = {"a": float("nan"), "b": float("-inf"), "c": None}
    return [
        {"model_id": m, "score": {"metrics": {"score_recent": values[m]}}}
        for m in models
    ]


def test_what_an_aggregator_gives_that_is_no_number_is_unknown(competition):
    for model in make_models(competition, *"abc"):
        snap(model, 1, 5.0)
    wiring = wire(CrunchConfig(), {"MODEL_SCORE_AGGREGATOR": NO_NUMBERS})
    board = publish(competition=competition, wiring=wiring, now=NOW)
    assert set(board.entries.values_list("ranking_value")) == {(None,)}
