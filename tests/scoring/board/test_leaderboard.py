import random
import threading
from datetime import timedelta

import pytest
from django.db.models import F
from hypothesis import given
from hypothesis import strategies as st

from competitions.callables import door
from competitions.contract import Aggregation, CrunchConfig
from competitions.models import (
    CallableFailure,
    Competition,
    ParticipantModel,
    Prediction,
)
from competitions.slots import wire
from scoring.board import closed_sums, windows
from scoring.board.aggregator import Entrant
from scoring.board.leaderboard import publish
from scoring.board.ranking import Standing, ranked
from scoring.board.standings import standings
from scoring.models import Leaderboard, Score, Snapshot
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round

HOUR = timedelta(hours=1)
WIRING = wire(CrunchConfig(), {})
NO_DOOR = None  # the engine's own ranker needs none


def snap(model, hours_ago, value, count=1, **summary):
    start = NOW - hours_ago * HOUR
    return Snapshot.objects.create(
        model=model,
        period_start=start,
        period_end=start + HOUR,
        prediction_count=count if value is not None else 0,
        expected_count=count,
        value=value,
        result_summary={"value": value, **summary},
        content_hash="",
        is_closed=True,
        created_at=NOW,
        updated_at=NOW,
    )


def lines_at(competition, as_of=NOW, wiring=WIRING):
    found = standings(competition=competition, wiring=wiring, as_of=as_of)
    return {line.model.model_id: line for line in found}


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


@pytest.mark.parametrize(("direction", "order"), [("desc", "cbad"), ("asc", "abcd")])
def test_unknown_stands_last_without_a_rank_in_both_directions(
    competition, direction, order
):
    a, b, c, _ = make_models(competition, *"abcd")
    for model, value in ((a, -1.0), (b, 0.0), (c, 2.0)):
        snap(model, 1, value)
    config = CrunchConfig(aggregation=Aggregation(ranking_direction=direction))
    found = lines_at(competition, wiring=wire(config, {}))
    assert list(found) == list(order)
    assert [line.rank for line in found.values()] == [1, 2, 3, None]


def test_a_metric_can_be_the_ranking_key(competition):
    a, b = make_models(competition, *"ab")
    snap(a, 1, 9.0, ic=0.1)
    snap(b, 1, 1.0, ic=0.3, count=1)
    snap(b, 2, 1.0, ic=None)
    config = CrunchConfig(aggregation=Aggregation(ranking_key="ic"))
    found = lines_at(competition, wiring=wire(config, {}))
    assert [(k, line.value) for k, line in found.items()] == [("b", 0.3), ("a", 0.1)]


def test_virtual_models_are_listed_without_a_rank(competition):
    a, b, ghost = make_models(competition, *"abg")
    ParticipantModel.objects.filter(pk=ghost.pk).update(is_virtual=True)
    for model, value in ((a, 1.0), (ghost, 2.0), (b, 3.0)):
        snap(model, 1, value)
    found = lines_at(competition)
    assert [(k, x.position, x.rank) for k, x in found.items()] == [
        ("b", 1, 1),
        ("g", 2, None),
        ("a", 3, 2),
    ]


def test_a_model_that_left_is_listed_while_it_has_scores(competition):
    a, b = make_models(competition, *"ab")
    ParticipantModel.objects.update(state="STOPPED")
    snap(a, 100, 1.0)
    snap(b, 200, 1.0)
    assert list(lines_at(competition)) == ["a"]


def line(model_id, value):
    return Standing(
        model=Entrant(0, model_id, model_id), metrics={}, samples={}, value=value
    )


@given(
    st.dictionaries(
        st.text("abcdef", min_size=1, max_size=4),
        st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_ranking_does_not_depend_on_the_order_of_the_input(values, shuffle):
    lines = [line(key, value) for key, value in values.items()]
    shuffled = random.Random(shuffle.random()).sample(lines, len(lines))
    assert ranked(lines, WIRING, NO_DOOR) == ranked(shuffled, WIRING, NO_DOOR)
    ordered = [x.value for x in ranked(lines, WIRING, NO_DOOR)]
    known = [value for value in ordered if value is not None]
    assert known == sorted(known, reverse=True)
    assert ordered[: len(known)] == known
    ranks = [x.rank for x in ranked(lines, WIRING, NO_DOOR)]
    nobody = [None] * (len(ordered) - len(known))
    assert ranks == [*range(1, len(known) + 1), *nobody]


def test_who_never_scored_has_no_rank(competition):
    _, scored = make_models(competition, "a", "b")
    snap(scored, 1, -3.0)
    found = [
        (x.model.model_id, x.rank, x.position) for x in lines_at(competition).values()
    ]
    assert found == [("b", 1, 1), ("a", None, 2)]
    Snapshot.objects.all().delete()
    found = [
        (x.model.model_id, x.rank, x.position) for x in lines_at(competition).values()
    ]
    assert found == [("a", None, 1), ("b", None, 2)]


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


REVERSED = "tests.scoring.board.test_leaderboard:worst_first"
LOSSY = "tests.scoring.board.test_leaderboard:forgets_one"


def worst_first(entries):
    return [{**e, "rank": len(entries) - i} for i, e in enumerate(entries)]


def forgets_one(entries):
    return [{**e, "rank": 1} for e in entries[1:]]


def test_a_ranker_of_the_operator_decides_the_order(competition):
    a, b = make_models(competition, *"ab")
    snap(a, 1, 2.0)
    snap(b, 1, 1.0)
    wiring = wire(CrunchConfig(), {"LEADERBOARD_RANKER": REVERSED})
    assert list(lines_at(competition, wiring=wiring)) == ["b", "a"]


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
        monkeypatch.setattr(door, "PATIENCE_S", 0.2)
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
            prediction=prediction, value=9.0, success=True, scored_at=NOW - HOUR
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
