"""Two connections at once: nothing is scored twice, nothing is lost."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction

from competitions.models import Round
from core import clock
from scoring import due_rounds, locks, tasks
from scoring.corrections import CorrectionError, rescore, void
from scoring.cycle import run_cycle
from scoring.models import Leaderboard, Score, Snapshot, VoidWindow
from tests.conftest import NOW
from tests.scoring.factories import (
    make_competition,
    make_models,
    make_round,
    put_candles,
)

MINUTE = timedelta(minutes=1)


def at_once(*works):
    """Run each in a thread and on a connection of its own; what they gave, in order."""
    start = threading.Barrier(len(works))
    results, errors = [None] * len(works), []

    def run(i, work):
        try:
            start.wait()
            with clock.use(clock.Frozen(start=NOW, anchor=NOW)):
                results[i] = work()
        except Exception as error:  # noqa: BLE001  shown by the assertion below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    return results


@pytest.fixture
def market(transactional_db, tape, frozen_clock, monkeypatch):
    """Thirty due rounds of four models, to be scored two rounds a batch."""
    monkeypatch.setattr(due_rounds, "PREDICTIONS_A_BATCH", 4)
    competition = make_competition(NOW - timedelta(hours=2))
    models = make_models(competition, *"abcd")
    put_candles(NOW - 41 * MINUTE, [100.0 + i for i in range(42)])
    for i in range(1, 31):
        make_round(competition, NOW - (40 - i) * MINUTE, dict.fromkeys(models, 1.0))
    return competition


def test_two_workers_share_the_due_rounds(market):
    reports = at_once(*[lambda: run_cycle(competition_id=market.pk)] * 2)
    assert sum(report.scored for report in reports) == 120
    assert Score.objects.count() == 120
    assert set(Round.objects.values_list("status")) == {("RESOLVED",)}
    assert sum(Snapshot.objects.values_list("prediction_count", flat=True)) == 120
    board = Leaderboard.objects.get(is_newest=True)
    assert set(board.entries.values_list("prediction_count")) == {(30,)}


def test_rounds_voided_while_they_are_scored_are_in_no_aggregate(market):
    def spoil():
        return void(
            competition_id=market.pk,
            start=NOW - 30 * MINUTE,
            end=NOW - 20 * MINUTE,
            reason="the exchange was down",
            author="olga",
        )

    at_once(lambda: run_cycle(competition_id=market.pk), spoil)
    run_cycle(competition_id=market.pk)
    statuses = list(Round.objects.values_list("status", flat=True))
    assert (statuses.count("VOID"), statuses.count("RESOLVED")) == (10, 20)
    current = Snapshot.objects.current()
    assert set(current.values_list("prediction_count", "expected_count")) == {(20, 20)}
    board = Leaderboard.objects.get(is_newest=True)
    assert set(board.entries.values_list("prediction_count")) == {(20,)}


def test_two_rescorings_at_once_are_two_versions(market, at):
    with at(NOW - MINUTE):
        run_cycle(competition_id=market.pk)
    run_cycle(competition_id=market.pk)  # closes the hour

    def again():
        return rescore(
            competition_id=market.pk,
            start=NOW - timedelta(hours=1),
            end=NOW,
            reason="the scorer was wrong",
            author="olga",
        )

    at_once(again, again)
    rounds = Round.objects.filter(resolved_at__lt=NOW).count()
    versions = Score.objects.filter(prediction__round__resolved_at__lt=NOW).values_list(
        "scoring_version", flat=True
    )
    assert sorted(versions) == sorted([1, 2, 3] * rounds * 4)
    assert set(Snapshot.objects.current().values_list("revision")) == {(2,)}


def test_a_correction_does_not_wait_for_ever_for_a_worker_that_scores(market):
    worker = connection.copy()
    try:
        worker.set_autocommit(False)
        with worker.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock_shared(%s, %s)",
                [locks._SCORING, market.pk],
            )
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '50ms'")
            with pytest.raises(CorrectionError, match="is being scored and did not"):
                void(
                    competition_id=market.pk,
                    start=NOW - 60 * MINUTE,
                    end=NOW,
                    reason="outage",
                    author="olga",
                )
    finally:
        worker.close()
    assert not VoidWindow.objects.exists()


def test_a_round_that_another_worker_has_in_hand_is_passed_over(market):
    """Not waited for: a worker that hangs in a scorer would stop all of them."""
    worker = connection.copy()
    try:
        worker.set_autocommit(False)
        with worker.cursor() as cursor:
            first = Round.objects.order_by("resolvable_at").values_list("pk", flat=True)
            cursor.execute(
                "SELECT FROM inputs WHERE id = %s FOR NO KEY UPDATE", [first[0]]
            )
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10s'")
        report = run_cycle(competition_id=market.pk)
    finally:
        worker.close()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert report.resolved == 29


def test_nothing_is_scored_while_somebody_sums_up(market):
    """A score could else be dated into a period that is just being closed."""
    worker = connection.copy()
    try:
        worker.set_autocommit(False)
        with worker.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, %s)", [locks._SCORING, market.pk]
            )
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        with pytest.raises(OperationalError, match="lock timeout"):
            run_cycle(competition_id=market.pk)
    finally:
        worker.close()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert not Score.objects.exists()
    assert run_cycle(competition_id=market.pk).resolved == 30


def test_a_cycle_that_takes_long_occupies_one_thread_of_a_worker(market, rewire):
    """Beat sends the next ones meanwhile; others wait for these threads."""
    began, woken, asked = threading.Event(), threading.Event(), []

    def slow(feed_records):
        asked.append(1)
        began.set()
        assert woken.wait(60)
        return {"actual_return": 0.5}

    rewire(resolve_ground_truth=slow)

    def later():
        assert began.wait(600)
        tasks.run(market.pk)
        tasks.run(market.pk)
        in_between = len(asked)
        woken.set()
        return in_between

    assert at_once(lambda: tasks.run(market.pk), later)[1] == 1
    assert len(asked) == 30
    assert Score.objects.count() == 120
    tasks.run(market.pk)  # the turn was given back
