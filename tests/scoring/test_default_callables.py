"""The ten default callables are what the engine runs, or say the same."""

import math
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from competitions import defaults
from competitions.contract import CrunchConfig, GroundTruth
from competitions.slots import wire
from competitions.tape_ends import Ends, Gaps, TapeEnds
from scoring.board.aggregator import Entrant
from scoring.board.ranking import Standing, as_entry, ranked
from scoring.board.standings import standings
from scoring.cycle import run_cycle
from scoring.models import Score
from scoring.truth import resolve
from tests.conftest import NOW
from tests.scoring.factories import make_models, make_round, put_candles

MINUTE = timedelta(minutes=1)
START = NOW - 20 * MINUTE


def engines(competition, round_, now):
    """What the engine says without asking a provider: actuals, or the reason."""
    [found] = resolve.resolve(
        competition=competition,
        wiring=wire(CrunchConfig(), {}),
        rounds=[round_],
        now=now,
        gaps=Gaps.PROVIDER_DOWN,
    ).truths
    return found


def defaults_own(round_):
    """What the default callable says to an operator who calls it."""
    try:
        return defaults.ground_truth_resolver(round_), ""
    except ValueError as error:
        return None, str(error)


PRICES = st.lists(st.one_of(st.none(), st.floats(0.001, 1e6)), min_size=2, max_size=8)


@settings(
    max_examples=40,
)
@given(
    closes=PRICES,
    after_s=st.integers(0, 60),
    horizon_s=st.sampled_from([0, 15, 60, 300]),
)
@example(closes=[100.0, 101.0], after_s=0, horizon_s=900)  # one minute into a quarter
@example(closes=[100.0, None, None, 110.0], after_s=0, horizon_s=60)
def test_the_default_resolver_says_what_the_engine_says(  # noqa: PLR0917  fixtures
    competition, tape, at, closes, after_s, horizon_s
):
    tape()
    if any(close is not None for close in closes):
        put_candles(START, closes)
    asked_at = START + MINUTE + timedelta(seconds=after_s)
    with transaction.atomic():
        round_ = make_round(
            competition, asked_at, {}, horizon_s=horizon_s, raw_data={"seen": 1}
        )
        for now in (START + 3 * MINUTE, NOW, NOW + timedelta(days=1)):
            if now < round_.resolvable_at:
                continue  # the engine asks about none that is not due
            with at(now):
                own, reason = defaults_own(round_)
            engine = engines(competition, round_, now)
            assert own == engine.actuals
            if reason:
                assert reason == engine.reason
        transaction.set_rollback(True)


def test_the_default_resolver_knows_nothing_of_a_round_that_has_not_ended(
    competition, at
):
    put_candles(START, [100.0, 101.0])
    round_ = make_round(competition, START + MINUTE, {}, horizon_s=900)
    with at(START + 2 * MINUTE):
        assert defaults.ground_truth_resolver(round_) is None


@pytest.mark.parametrize(
    ("price", "said"),
    [(0.0, "the entry price was 0"), (-1.0, "price was -1"), (math.nan, "no price")],
)
def test_the_default_resolver_refuses_a_return_on_nothing(
    competition, at, monkeypatch, price, said
):
    """The tape takes no such price today; one that it holds makes no figure."""
    nothing = Ends(0.0, 60.0, 0.0, 0.0, entry_price=price, exit_price=101.0)
    monkeypatch.setattr(
        "competitions.tape_ends.ends_on_tape", lambda *_, **__: TapeEnds([nothing])
    )
    monkeypatch.setattr(
        "scoring.truth.resolve.ends_on_tape", lambda *_, **__: TapeEnds([nothing])
    )
    round_ = make_round(competition, START + MINUTE, {})
    with at(NOW), pytest.raises(ValueError, match=said) as refused:
        defaults.ground_truth_resolver(round_)
    assert engines(competition, round_, NOW).reason == str(refused.value)


def delegating(prediction):
    return defaults.ground_truth_resolver(prediction)


def test_an_operators_resolver_may_leave_it_to_the_default(competition):
    put_candles(START, [100.0, 110.0, 121.0])
    round_ = make_round(competition, START + MINUTE, {})
    [found] = resolve.resolve(
        competition=competition,
        wiring=wire(
            CrunchConfig(), {"GROUND_TRUTH_RESOLVER": f"{__name__}:delegating"}
        ),
        rounds=[round_],
        now=NOW,
    ).truths
    assert found.actuals == engines(competition, round_, NOW).actuals


def test_a_truth_has_its_return_in_both_spellings():
    for given_ in ({"actual_return": 0.5}, {"return": 0.5}):
        found = GroundTruth.model_validate(given_)
        assert found.actual_return == 0.5
        assert getattr(found, "return") == 0.5
    both = GroundTruth.model_validate({"actual_return": 0.5, "return": 0.25})
    assert (both.actual_return, getattr(both, "return")) == (0.5, 0.25)

    class Strict(GroundTruth, extra="forbid"):
        """Declares nothing more."""

    assert Strict.model_validate({"actual_return": 0.5}).actual_return == 0.5


def test_a_truth_that_says_return_is_scored_and_measured(competition, rewire):
    rewire(
        resolve_ground_truth=lambda records: {"return": 0.01},
        metrics=("hit_rate",),
    )
    put_candles(START, [100.0] * 4)
    model, _ = make_models(competition, "a", "b")
    for i in range(2):
        make_round(competition, START + (1 + i) * MINUTE, {model: 1.0})
    run_cycle(competition_id=competition.pk)
    assert [score.value for score in Score.objects.all()] == [100.0, 100.0]
    snapshot = model.snapshots.get()
    assert snapshot.result_summary["hit_rate"] == 1.0


def row(**template):
    return {
        "scope_key": "k",
        "scope_template": template,
        "resolve_horizon_seconds": 900,
    }


def scope_of(template, horizon_s=900, **scope):
    config = CrunchConfig(scope={**CrunchConfig().scope.model_dump(), **scope})
    context = SimpleNamespace(config=config)
    built = defaults.prediction_scope_builder(
        row(**template) | {"resolve_horizon_seconds": horizon_s}, {}, context
    )
    return built["scope"]


@pytest.mark.parametrize(
    ("template", "horizon_s", "horizon"),
    [
        ({}, 900, 900),
        ({}, 0, 60),
        ({"horizon": 30}, 900, 30),
        ({"horizon_seconds": 30}, 900, 30),
    ],
)
def test_the_horizon_of_a_scope_is_its_own_else_the_schedules(
    template, horizon_s, horizon
):
    scope = scope_of(template, horizon_s)
    assert (scope["horizon"], scope["horizon_seconds"]) == (horizon, horizon)
    assert scope["resolve_horizon_seconds"] == horizon_s


@pytest.mark.parametrize("spelling", ["asset", "subject"])
@pytest.mark.parametrize("default", ["asset", "subject"])
def test_a_scope_beats_the_contracts_default_in_either_spelling(spelling, default):
    scope = scope_of({spelling: "ETHUSDT"}, **{default: "SOLUSDT"})
    assert (scope["asset"], scope["subject"]) == ("ETHUSDT", "ETHUSDT")


def ranking(entries):
    return defaults.leaderboard_ranker(entries)


def summing(scored_predictions, models):
    return defaults.model_score_aggregator(scored_predictions, models)


@pytest.mark.parametrize("direction", ["asc", "desc"])
@given(values=st.lists(st.one_of(st.none(), st.integers(-3, 3)), max_size=8))
def test_the_default_ranker_ranks_as_the_engine_does(direction, values):
    config = CrunchConfig(aggregation={"ranking_direction": direction})
    lines = [
        Standing(
            model=Entrant(i, f"m{7 * i % 8}", f"model {i}"),
            metrics={},
            samples={},
            value=None if value is None else float(value),
        )
        for i, value in enumerate(values)
    ]
    engine = ranked(lines, wire(config, {}), None)
    own = defaults.leaderboard_ranker([as_entry(line, config) for line in lines])
    assert [entry["model_id"] for entry in own] == [
        line.model.model_id for line in engine
    ]
    known = [line for line in engine if line.value is not None]
    assert [line.rank for line in engine[: len(known)]] == [
        entry["rank"] for entry in own[: len(known)]
    ]


def test_the_default_aggregator_and_ranker_make_the_engines_board(competition, rewire):
    """Asked as an operator's, of scores that fail, that are not there, and of ties."""
    put_candles(START, [100.0, 110.0, 99.0, 99.0])
    a, b, c, d = make_models(competition, *"abcd")
    make_round(competition, START + MINUTE, {a: 1.0, b: -2.0, c: "broke", d: None})
    make_round(competition, START + 2 * MINUTE, {a: 3.0, b: -2.0, c: "broke", d: None})
    boards = []
    for own in (
        {},
        {
            "MODEL_SCORE_AGGREGATOR": f"{__name__}:summing",
            "LEADERBOARD_RANKER": f"{__name__}:ranking",
        },
    ):
        wiring = rewire(own_paths=own)
        run_cycle(competition_id=competition.pk)
        boards.append(
            [
                (line.model.model_id, line.rank, line.value, line.metrics["value"])
                for line in standings(
                    competition=competition, wiring=wiring, as_of=NOW + MINUTE
                )
            ]
        )
    assert boards[0] == boards[1]
    assert [name for name, *_ in boards[0]][:2] == ["b", "a"]
