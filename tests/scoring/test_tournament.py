"""Posted truths: matched by sample, and scored once by the engine."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from competitions.errors import TournamentConflictError, TournamentError
from competitions.models import Competition, Round, TournamentRound
from competitions.tournament.opening import open_round
from competitions.tournament.round_ends import (
    VOID,
    give_truths,
    note_ended,
    void_unscored,
)
from core import clock
from crunchsite.operator.ending import finish
from scoring.corrections import void
from scoring.cycle import run_cycle
from scoring.models import LeaderboardEntry, Score, Snapshot
from tests.competitions.tournament.conftest import SampleGateway, ask_all, features
from tests.conftest import NOW
from tests.scoring.factories import put_candles
from tests.waiting import is_waited_for, wait_for


def closeness(prediction, ground_truth):
    return {"value": 1 - abs(prediction.value - ground_truth.actual_return)}


@pytest.fixture
def scorer(rewire):
    return rewire(scoring_function=closeness)


@pytest.fixture
def inferred(competition, scorer):
    """Three samples; `wrong` is off by one, `partial` fails the first one."""
    return infer(competition, "r1", 3)


def infer(competition, round_id, samples):
    round_ = open_round(
        competition=competition, round_id=round_id, features=features(samples)
    )
    gateway = SampleGateway(
        {
            "right": float,
            "wrong": lambda x: x + 1.0,
            "partial": lambda x: ValueError("no") if x == 0 else float(x),
        }
    )
    ask_all(competition, gateway)
    round_.refresh_from_db()
    assert round_.status == "INFERRED"
    return round_


def truths(count):
    return [{"actual_return": float(i)} for i in range(count)]


def scores(round_):
    rows = Score.objects.filter(prediction__round__tournament=round_).order_by(
        "prediction__round__sample", "prediction__model__model_id"
    )
    return list(
        rows.values_list(
            "prediction__round__sample", "prediction__model__model_id", "value"
        )
    )


RIGHT = [
    *((0, "right", 1.0), (0, "wrong", 0.0)),
    *((1, "partial", 1.0), (1, "right", 1.0), (1, "wrong", 0.0)),
    *((2, "partial", 1.0), (2, "right", 1.0), (2, "wrong", 0.0)),
]


def score(round_, given):
    give_truths(round_=round_, truths=given)
    run_cycle(competition_id=round_.competition_id)
    round_.refresh_from_db()


def test_a_model_that_failed_a_sample_is_scored_right_on_the_others(inferred):
    score(inferred, truths(3))
    assert inferred.status == "SCORED"
    assert inferred.scored_at == NOW
    assert scores(inferred) == RIGHT
    assert set(inferred.rounds.values_list("status", flat=True)) == {"RESOLVED"}
    assert inferred.rounds.first().provenance == {"from": "posted"}


def test_truths_by_sample_id_come_in_any_order(inferred):
    by_id = {"2": truths(3)[2], "0": truths(3)[0], "1": truths(3)[1]}
    score(inferred, by_id)
    assert scores(inferred) == RIGHT
    give_truths(round_=inferred, truths=truths(3))  # the same in the other shape


def test_scores_reach_snapshots_and_board(inferred):
    score(inferred, truths(3))
    counts = Snapshot.objects.values_list("model__model_id", "prediction_count")
    assert dict(counts) == {"right": 3, "wrong": 3, "partial": 2}
    ranks = LeaderboardEntry.objects.values_list("model__model_id", "rank")
    assert dict(ranks)["wrong"] == 3


def test_scoring_again_changes_nothing_and_other_truths_are_a_conflict(inferred):
    score(inferred, truths(3))
    score(inferred, truths(3))
    assert scores(inferred) == RIGHT
    with pytest.raises(TournamentConflictError, match="other truths"):
        give_truths(round_=inferred, truths=[{"actual_return": 5.0}] * 3)
    assert Score.objects.count() == 8


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (truths(2), "ground_truth had 2 truths; the round has 3 samples"),
        (truths(4), "ground_truth had 4 truths"),
        ({"0": {}, "1": {}}, "ground_truth: sample 2 is missing"),
        ({"0": {}, "1": {}, "2": {}, "3": {}}, "there is no sample '3'"),
        ({"actual_return": 1.0}, "there is no sample 'actual_return'"),
        ("x", "a list or an object is needed"),
        ([{}, 1, {}], "ground_truth: sample 1 was 1; an object is needed"),
        (
            [{}, {}, {"actual_return": "up"}],
            "ground_truth: sample 2: actual_return: Input",
        ),
    ],
)
def test_truths_that_do_not_fit_are_refused_whole(inferred, given, said):
    with pytest.raises(TournamentError, match=said):
        give_truths(round_=inferred, truths=given)
    assert not Round.objects.filter(actuals__isnull=False).exists()
    inferred.refresh_from_db()
    assert inferred.truth_digest == ""


def test_with_one_sample_its_truth_itself_will_do(competition, scorer):
    round_ = infer(competition, "one", 1)
    score(round_, {"actual_return": 0.0})
    assert scores(round_) == [(0, "right", 1.0), (0, "wrong", 0.0)]
    by_id = infer(competition, "by-id", 1)
    score(by_id, {"0": {"actual_return": 1.0}})
    assert scores(by_id) == [(0, "right", 0.0), (0, "wrong", 1.0)]


def test_a_truth_is_never_due_before_its_sample_was_asked(inferred, at):
    with at(NOW - timedelta(seconds=1)):  # a clock that went back
        give_truths(round_=inferred, truths=truths(3))
    assert set(inferred.rounds.values_list("resolvable_at", flat=True)) == {NOW}


def test_a_round_is_scored_when_its_last_sample_has_ended(inferred):
    *others, last = inferred.rounds.order_by("sample")
    for sample, status in ((others, "INFERRED"), ([last], "SCORED")):
        Round.objects.filter(pk__in=[s.pk for s in sample]).update(status="VOID")
        note_ended({inferred.pk})
        inferred.refresh_from_db()
        assert inferred.status == status


@pytest.mark.parametrize("has_truths", [False, True])
def test_a_round_whose_samples_are_all_void_has_ended(inferred, has_truths):
    if has_truths:
        give_truths(round_=inferred, truths=truths(3))
    voided = void(
        competition_id=inferred.competition_id,
        start=NOW,
        end=NOW + timedelta(minutes=1),
        reason="wrong features",
        author="ada",
    )
    inferred.refresh_from_db()
    assert (voided.rounds, inferred.status) == (3, "SCORED")
    run_cycle(competition_id=inferred.competition_id)
    assert scores(inferred) == []


@pytest.mark.django_db(transaction=True, databases=["default", "tape"])
def test_truths_are_posted_while_an_operator_voids_their_samples(inferred):
    def spoil():
        try:
            with clock.use(clock.Frozen(start=NOW, anchor=NOW)):
                return void(
                    competition_id=inferred.competition_id,
                    start=NOW,
                    end=NOW + timedelta(minutes=1),
                    reason="wrong features",
                    author="ada",
                ).rounds
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        # As posting the truths begins.
        TournamentRound.objects.select_for_update().get(pk=inferred.pk)
        voided = pool.submit(spoil)
        wait_for(lambda: is_waited_for() or voided.done())
        give_truths(round_=inferred, truths=truths(3))
    assert voided.result(60) == 3
    inferred.refresh_from_db()
    assert (inferred.status, inferred.truth_at) == ("SCORED", NOW)
    assert set(inferred.rounds.values_list("status", flat=True)) == {"VOID"}


def test_an_open_round_takes_no_truth(competition):
    round_ = open_round(competition=competition, round_id="r", features=features(2))
    with pytest.raises(TournamentConflictError, match="was OPEN, 0 of 2 samples asked"):
        give_truths(round_=round_, truths=truths(2))


def test_the_tape_is_no_witness_of_a_posted_round(inferred, at):
    put_candles(NOW - timedelta(minutes=5), [100.0] * 60)
    with at(NOW + timedelta(days=3)):
        run_cycle(competition_id=inferred.competition_id)
        assert set(inferred.rounds.values_list("status", flat=True)) == {"RECEIVED"}
        score(inferred, truths(3))
    assert scores(inferred) == RIGHT


def test_round_ids_that_look_alike_are_rounds_of_their_own(competition, scorer):
    one, other = infer(competition, "r_1", 2), infer(competition, "rx1", 2)
    score(one, truths(2))
    other.refresh_from_db()
    assert (one.status, other.status) == ("SCORED", "INFERRED")
    assert scores(other) == []


def test_an_ending_competition_waits_an_hour_for_truths(inferred, at):
    competition = inferred.competition
    competition.status, competition.ending_at = Competition.Status.PAUSED, NOW
    competition.save()
    with at(NOW + timedelta(minutes=59)):
        assert finish(competition=competition) == "3 rounds not scored yet"
    with at(NOW + timedelta(minutes=60)):
        assert void_unscored(competition=competition) == 1
    inferred.refresh_from_db()
    assert (inferred.status, inferred.reason) == ("VOID", VOID)
    assert set(inferred.rounds.values_list("status", "reason")) == {("VOID", VOID)}
    with pytest.raises(TournamentConflictError, match="was VOID"):
        give_truths(round_=inferred, truths=truths(3))


def test_an_ending_competition_voids_what_was_never_asked_too(competition, at):
    round_ = open_round(competition=competition, round_id="r", features=features(2))
    competition.status, competition.ending_at = Competition.Status.PAUSED, NOW
    competition.save()
    with at(NOW + timedelta(minutes=60)):
        assert void_unscored(competition=competition) == 1
    round_.refresh_from_db()
    assert round_.status == "VOID"


def test_an_ending_competition_voids_no_truth_and_no_sample_that_has_ended(
    competition, scorer, at
):
    due, other = infer(competition, "due", 2), infer(competition, "other", 2)
    give_truths(round_=due, truths=truths(2))
    ended = other.rounds.get(sample=0)
    ended.status, ended.reason = "VOID", "void: by an operator"
    ended.save()
    competition.status, competition.ending_at = Competition.Status.PAUSED, NOW
    competition.save()
    with at(NOW + timedelta(minutes=60)):
        assert void_unscored(competition=competition) == 1
        run_cycle(competition_id=competition.pk)
    due.refresh_from_db()
    assert due.status == "SCORED"
    assert list(other.rounds.order_by("sample").values_list("reason", flat=True)) == [
        *("void: by an operator", VOID),
    ]


def test_statements_do_not_grow_with_the_samples(competition, scorer):
    counts = []
    for name, samples in (("warm", 2), ("few", 20), ("many", 2_000)):
        round_ = infer(competition, name, samples)
        with CaptureQueriesContext(connection) as queries:
            score(round_, truths(samples))
        counts.append(len(queries))
        assert round_.status == "SCORED"
    assert counts[1] == counts[2]
    assert Score.objects.count() == 3 * 2_022 - 3
