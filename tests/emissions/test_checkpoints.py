from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from competitions.contract import Aggregation
from competitions.exclusion import exclude, readmit
from competitions.models import ParticipantModel
from core.grid import floor
from emissions import checkpoints
from emissions.checkpoints import close_due
from emissions.models import Checkpoint
from emissions.strategies import tiers
from scoring.models import Snapshot, VoidWindow
from tests.conftest import NOW
from tests.emissions.conftest import DAY, HOUR, MIDNIGHT, MINUTE, snap
from tests.scoring.factories import make_competition, make_models, make_round


def test_a_period_is_closed_once_and_paid_in_the_order_of_the_board(competition):
    worst, best, mid = make_models(competition, "worst", "best", "mid")
    for model, value in ((worst, -3.0), (best, 5.0), (mid, 1.0)):
        snap(model, MIDNIGHT - 3 * HOUR, value)
    [made] = close_due(now=NOW)
    assert (made.period_start, made.period_end) == (MIDNIGHT - DAY, MIDNIGHT)
    assert made.status == "PENDING"
    assert made.entries == [
        {
            "crunch": "CRUNCH",
            "cruncher_rewards": [
                {"cruncher_index": 101, "reward_pct": 500_000_000},
                {"cruncher_index": 102, "reward_pct": 250_000_000},
                {"cruncher_index": 100, "reward_pct": 250_000_000},
            ],
            "compute_provider_rewards": [],
            "data_provider_rewards": [],
        }
    ]
    assert (made.meta["snapshot_count"], made.meta["model_count"]) == (3, 3)
    first = made.meta["ranking"][0]
    assert first["model_id"] == "best"
    assert first["result_summary"]["score_recent"] == 5.0
    assert close_due(now=NOW) == []
    assert Checkpoint.objects.count() == 1


def test_a_period_that_is_not_over_stays_open(competition):
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT + HOUR, 1.0)
    assert close_due(now=NOW) == []


def test_periods_without_snapshots_are_passed_over(competition, at):
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT - HOUR, 1.0)
    snap(model, MIDNIGHT + 5 * DAY, 1.0)
    with at(NOW + 10 * DAY):
        made = close_due(now=NOW + 10 * DAY)
    assert [c.period_start for c in made] == [MIDNIGHT - DAY, MIDNIGHT + 5 * DAY]


def test_who_scored_nothing_or_is_virtual_is_not_paid(competition):
    paid, silent, early, ghost = make_models(competition, *"abcg")
    ParticipantModel.objects.filter(pk=ghost.pk).update(is_virtual=True)
    snap(paid, MIDNIGHT - HOUR, -1.0)
    snap(silent, MIDNIGHT - HOUR, None, count=0)
    snap(early, MIDNIGHT - 30 * HOUR, 9.0)
    snap(ghost, MIDNIGHT - HOUR, 9.0)
    [made] = close_due(now=NOW)
    assert [entry["model_id"] for entry in made.meta["ranking"]] == ["a"]
    assert made.entries[0]["cruncher_rewards"] == [
        {"cruncher_index": 100, "reward_pct": 1_000_000_000}
    ]


@pytest.fixture
def user(db):
    return User.objects.create_user("ops")


@pytest.fixture
def three(competition):
    models = make_models(competition, *"abc")
    for model, value in zip(models, (3.0, 2.0, 1.0), strict=True):
        snap(model, MIDNIGHT - HOUR, value)
    return models


def paid(made):
    rewards = made.entries[0]["cruncher_rewards"]
    return {each["cruncher_index"]: each["reward_pct"] // 10**7 for each in rewards}


def test_who_is_excluded_when_a_period_closes_is_not_paid(competition, three, at, user):
    exclude(model=three[0].pk, reason="it copies b", user=user)
    [made] = close_due(now=NOW)
    ranking = [(each["model_id"], each["rank"]) for each in made.meta["ranking"]]
    assert ranking == [("b", 1), ("c", 2)]
    [unpaid] = made.meta["unpaid"]
    assert (unpaid["model_id"], unpaid["reason"]) == (
        *("a", "it is excluded: it copies b"),
    )
    first = paid(made)
    assert set(first) == {101, 102}
    readmit(model=three[0].pk, reason="it was b that copied", user=user)
    for model, value in zip(three, (3.0, 2.0, 1.0), strict=True):
        snap(model, MIDNIGHT + HOUR, value)
    with at(NOW + DAY):
        [following] = close_due(now=NOW + DAY)
    assert set(paid(following)) == {100, 101, 102}
    made.refresh_from_db()
    assert paid(made) == first


def test_who_is_excluded_while_a_period_is_closed_is_not_paid(
    competition, three, user, monkeypatch
):
    real = checkpoints.build_emission

    def slow(**given):
        emission = real(**given)
        if not three[0].exclusion_reason:
            three[0] = exclude(model=three[0].pk, reason="it copies b", user=user)
        return emission

    monkeypatch.setattr(checkpoints, "build_emission", slow)
    assert close_due(now=NOW) == []
    [made] = close_due(now=NOW)
    assert set(paid(made)) == {101, 102}


def test_if_all_are_excluded_no_cruncher_is_paid(competition, three, user):
    for model in three:
        exclude(model=model.pk, reason="a ring", user=user)
    [made] = close_due(now=NOW)
    assert (made.meta["ranking"], paid(made)) == ([], {})
    assert len(made.meta["unpaid"]) == 3


def test_the_contracts_builder_is_honoured_and_its_answer_checked(competition, rewire):
    def everything_to_the_last(ranked_entries, crunch_pubkey, **providers):
        return {
            "crunch": crunch_pubkey,
            "cruncher_rewards": [
                {
                    "cruncher_index": ranked_entries[-1]["cruncher_index"],
                    "reward_pct": 1_000_000_000,
                }
            ],
            "compute_provider_rewards": [],
            "data_provider_rewards": [],
        }

    rewire(build_emission=everything_to_the_last, crunch_pubkey="KEY")
    competition.crunch_pubkey = ""
    competition.save()
    for i, model in enumerate(make_models(competition, *"ab")):
        snap(model, MIDNIGHT - HOUR, float(i))
    [made] = close_due(now=NOW)
    assert made.entries[0]["crunch"] == "KEY"
    assert made.entries[0]["cruncher_rewards"][0]["cruncher_index"] == 100


def test_a_failing_competition_does_not_stop_the_others(competition, monkeypatch):
    other = make_competition(NOW - DAY, slug="other", emission_interval_s=86_400)
    for each in (competition, other):
        [model] = make_models(each, "a")
        snap(model, MIDNIGHT - HOUR, 1.0)
    real = checkpoints.payees_of

    def failing(**kwargs):
        if kwargs["competition"] == competition:
            raise RuntimeError("no ranking")
        return real(**kwargs)

    monkeypatch.setattr(checkpoints, "payees_of", failing)
    assert [c.competition for c in close_due(now=NOW)] == [other]


def test_periods_never_overlap_in_the_database(competition):
    facts = {"competition": competition, "created_at": NOW}
    Checkpoint.objects.create(period_start=NOW, period_end=NOW + DAY, **facts)
    with pytest.raises(IntegrityError), transaction.atomic():
        Checkpoint.objects.create(
            period_start=NOW + HOUR, period_end=NOW + 2 * DAY, **facts
        )


def paid_of(checkpoint):
    return [entry["model_id"] for entry in checkpoint.meta["ranking"]]


def reasons_of(checkpoint):
    return {entry["model_id"]: entry["reason"] for entry in checkpoint.meta["unpaid"]}


def test_the_whole_period_counts_though_its_last_day_was_silent(competition, at):
    competition.emission_interval_s = 7 * 86_400
    competition.save()
    week = NOW - DAY
    [model] = make_models(competition, "early")
    first = floor(week, 7 * 86_400)
    for hour in range(59):
        snap(model, first + DAY + hour * HOUR, 2.0, count=60)
    end = first + 7 * DAY
    with at(end + HOUR):
        [made] = close_due(now=end + HOUR)
    assert (made.period_start, made.period_end) == (first, end)
    assert made.meta["ranking"][0]["result_summary"]["score_recent"] == 2.0
    assert made.meta["ranking"][0]["coverage"] == 1.0


def test_one_late_score_earns_nothing(competition):
    steady, late = make_models(competition, "steady", "late")
    for hour in range(12):
        snap(steady, MIDNIGHT - (hour + 1) * HOUR, 0.01)
    snap(late, MIDNIGHT - HOUR, 9.0, count=1)
    [made] = close_due(now=NOW)
    assert paid_of(made) == ["steady"]
    assert reasons_of(made) == {
        "late": "it scored in 1 of 120 rounds; 50% of them are needed to be paid"
    }
    assert made.entries[0]["cruncher_rewards"] == [
        {"cruncher_index": steady.cruncher.cruncher_index, "reward_pct": 1_000_000_000}
    ]


@pytest.mark.parametrize(
    ("least", "paid"),
    [(0.0, ["half", "whole"]), (0.5, ["half", "whole"]), (0.51, ["whole"])],
)
def test_how_much_must_be_scored_is_the_contracts(competition, rewire, least, paid):
    rewire(min_paid_coverage=least)
    whole, half = make_models(competition, "whole", "half")
    for hour in (1, 2):
        snap(whole, MIDNIGHT - hour * HOUR, 1.0)
    snap(half, MIDNIGHT - HOUR, 3.0)
    [made] = close_due(now=NOW)
    assert paid_of(made) == paid


def test_scores_before_and_after_the_period_do_not_rank_it(competition):
    a, b = make_models(competition, "a", "b")
    snap(a, MIDNIGHT - 25 * HOUR, 99.0)  # the period before
    snap(a, MIDNIGHT - HOUR, 1.0)
    snap(b, MIDNIGHT - HOUR, 2.0)
    snap(a, MIDNIGHT, 99.0)  # the next one
    [made] = [c for c in close_due(now=NOW) if c.period_end == MIDNIGHT]
    assert paid_of(made) == ["b", "a"]


def test_a_figure_that_does_not_average_is_that_of_the_period(competition, rewire):
    rewire(aggregation=Aggregation(ranking_key="max_drawdown"))
    deep, flat = make_models(competition, "deep", "flat")
    # Twice a fall of 3 with nothing between is one of 6; 5 and a recovery stays 5.
    falls = {deep: [[2, -3, 0, -3, -3], [2, -3, 0, -3, -3]]}
    falls[flat] = [[2, -5, 0, -5, -5], [2, 5, 5, 0, 0]]
    for model, periods in falls.items():
        for hour, parts in zip((2, 1), periods, strict=True):
            snap(model, MIDNIGHT - hour * HOUR, -1.5)
            Snapshot.objects.filter(
                model=model, period_start=MIDNIGHT - hour * HOUR
            ).update(parts=[*map(float, parts), *[0.0] * 9])
    [made] = close_due(now=NOW)
    figures = [e["result_summary"]["max_drawdown"] for e in made.meta["ranking"]]
    assert (paid_of(made), figures) == (["flat", "deep"], [-5.0, -6.0])
    assert not any("standard_error" in each for each in made.meta["ranking"])


def test_without_a_key_nothing_is_paid_and_with_one_all_of_it(competition, caplog):
    competition.crunch_pubkey = ""
    competition.save()
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT - HOUR, 1.0)
    assert close_due(now=NOW) == []
    assert "btc has no crunch key" in caplog.text

    competition.crunch_pubkey = "LATE"
    competition.save()
    [made] = close_due(now=NOW)
    assert made.entries[0]["crunch"] == "LATE"


def test_the_rows_key_wins_over_the_contracts(competition, rewire):
    rewire(crunch_pubkey="CONTRACT")
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT - HOUR, 1.0)
    [made] = close_due(now=NOW)
    assert made.entries[0]["crunch"] == "CRUNCH"


def pay_a_stranger(ranked_entries, crunch_pubkey, **providers):
    return {
        **tiers([], crunch_pubkey),
        "cruncher_rewards": [
            {
                "cruncher_index": ranked_entries[0]["cruncher_index"],
                "reward_pct": 10**8,
            },
            {"cruncher_index": 4_000, "reward_pct": 9 * 10**8},
        ],
    }


def test_a_builder_that_pays_whom_nobody_ranked_is_refused(competition, rewire, caplog):
    rewire(build_emission=pay_a_stranger)
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT - HOUR, 1.0)
    assert close_due(now=NOW) == []
    assert "the builder paid [4000]" in caplog.text


def raise_of_an_empty_ranking(ranked_entries, crunch_pubkey, **providers):
    return {"crunch": ranked_entries[0]["model_id"]}


@pytest.mark.parametrize("builder", [None, raise_of_an_empty_ranking])
def test_a_period_in_which_nobody_scored_pays_providers_alone(
    competition, rewire, builder
):
    """Such as a day that was declared void."""
    rewire(build_emission=builder)
    competition.compute_provider = "compute"
    competition.save()
    for model in make_models(competition, *"ab"):
        snap(model, MIDNIGHT - HOUR, None, count=0)
    [made] = close_due(now=NOW)
    assert (made.meta["ranking"], made.meta["model_count"]) == ([], 0)
    assert made.entries == [
        {
            "crunch": "CRUNCH",
            "cruncher_rewards": [],
            "compute_provider_rewards": [
                {"provider": "compute", "reward_pct": 1_000_000_000}
            ],
            "data_provider_rewards": [],
        }
    ]
    assert close_due(now=NOW) == []


def asked(competition, at, count, **facts):
    """Rounds that were asked in the minutes from `at` on, their end a minute later."""
    return [make_round(competition, at + i * MINUTE, {}, **facts) for i in range(count)]


def test_one_score_beside_rounds_that_never_got_a_truth_earns_nothing(competition):
    [model] = make_models(competition, "lucky")
    asked(competition, MIDNIGHT - 3 * HOUR, 9, status="UNRESOLVABLE", reason="gap")
    asked(competition, MIDNIGHT - 2 * HOUR, 1)
    snap(model, MIDNIGHT - 2 * HOUR, 9.0, count=1)
    [made] = close_due(now=NOW)
    assert (paid_of(made), made.meta["rounds_asked"]) == ([], 10)
    assert reasons_of(made) == {
        "lucky": "it scored in 1 of 10 rounds; 50% of them are needed to be paid"
    }


def test_void_rounds_were_not_asked(competition):
    [model] = make_models(competition, "a")
    asked(competition, MIDNIGHT - 3 * HOUR, 9, status="VOID", reason="void")
    asked(competition, MIDNIGHT - 2 * HOUR, 1)
    snap(model, MIDNIGHT - 2 * HOUR, 9.0, count=1)
    [made] = close_due(now=NOW)
    assert (paid_of(made), made.meta["rounds_asked"]) == (["a"], 1)


@pytest.mark.parametrize(
    ("horizon", "least", "paid"),
    [
        (MINUTE, 0.5, []),
        (MINUTE, 0.0, ["a"]),
        (12 * HOUR - MINUTE, 0.5, []),
        (12 * HOUR, 0.5, ["a"]),
    ],
)
def test_what_is_left_over_of_the_period_before_earns_nothing(
    competition, rewire, horizon, least, paid
):
    """The competition paused at the period's end, and its last round was scored then.

    Where the horizon is half the period or longer, its rounds may be from before.
    """
    rewire(min_paid_coverage=least)
    [model] = make_models(competition, "a")
    start = MIDNIGHT - DAY
    asked(competition, start - horizon / 2, 1, horizon_s=horizon.total_seconds())
    snap(model, start, 9.0, count=1)
    [made] = close_due(now=NOW)
    assert paid_of(made) == paid
    assert reasons_of(made) == (
        {}
        if paid
        else {
            "a": "no round was asked in the period; its scores are of rounds before it"
        }
    )


def test_a_snapshot_across_the_end_of_a_period_counts_once(competition, at):
    """Its length was changed meanwhile. It counts where it ends."""
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT - 2 * HOUR, 1.0, count=4)
    snap(model, MIDNIGHT - HOUR / 2, 3.0, count=6)
    snap(model, MIDNIGHT + HOUR, 1.0, count=4)
    with at(MIDNIGHT + DAY):
        made = close_due(now=MIDNIGHT + DAY)
    [first], [second] = (checkpoint.meta["ranking"] for checkpoint in made)
    counts = [entry["prediction_count"] for entry in (first, second)]
    values = [entry["result_summary"]["score_recent"] for entry in (first, second)]
    assert (counts, values) == ([4, 10], [1.0, 2.2])


def test_a_period_is_a_week_unless_the_competition_says_otherwise(db, tape, at):
    with at(NOW):
        competition = make_competition(NOW - 14 * DAY)
        [model] = make_models(competition, "a")
        snap(model, NOW - 10 * DAY, 1.0)
        [made] = close_due(now=NOW)
    assert made.period_end - made.period_start == timedelta(days=7)


def test_equal_figures_are_paid_in_the_order_of_their_ids(competition):
    models = make_models(competition, *"cab")
    for model in models:
        snap(model, MIDNIGHT - HOUR, 1.0)
    [made] = close_due(now=NOW)
    assert paid_of(made) == ["a", "b", "c"]


def test_what_is_corrected_while_it_is_ranked_is_ranked_again(competition, monkeypatch):
    """The ranking rests on scores that count no longer."""
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT - HOUR, 1.0)
    rank = checkpoints.payees_of

    def while_an_operator_voids(**wanted):
        ranking = rank(**wanted)
        VoidWindow.objects.create(
            competition=competition,
            start_at=MIDNIGHT - 2 * HOUR,
            end_at=MIDNIGHT,
            reason="outage",
            author="olga",
            created_at=NOW,
        )
        return ranking

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "payees_of", while_an_operator_voids)
        assert close_due(now=NOW) == []
    assert len(close_due(now=NOW)) == 1


def test_a_period_that_another_node_paid_meanwhile_is_not_paid_again(
    competition, monkeypatch
):
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT - HOUR, 1.0)
    rank = checkpoints.payees_of

    def while_another_pays(**wanted):
        monkeypatch.setattr(checkpoints, "payees_of", rank)
        assert len(close_due(now=NOW)) == 1
        return rank(**wanted)

    monkeypatch.setattr(checkpoints, "payees_of", while_another_pays)
    assert close_due(now=NOW) == []
    assert Checkpoint.objects.count() == 1
