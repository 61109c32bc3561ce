"""Two connections at once: nothing is scored twice, nothing is lost."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from competitions.models import Input
from feeds import clock
from scoring import cycle
from scoring.cycle import run_cycle
from scoring.models import Leaderboard, Score, Snapshot
from tests.conftest import NOW
from tests.scoring.factories import (
    make_competition,
    make_models,
    make_round,
    put_candles,
)

MINUTE = timedelta(minutes=1)


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_the_due_rounds(tape, frozen_clock, monkeypatch):
    monkeypatch.setattr(cycle, "PREDICTIONS_A_BATCH", 4)  # two rounds a batch
    competition = make_competition(NOW - timedelta(hours=2))
    models = make_models(competition, *"abcd")
    put_candles(NOW - 41 * MINUTE, [100.0 + i for i in range(42)])
    for i in range(1, 31):
        make_round(competition, NOW - (40 - i) * MINUTE, dict.fromkeys(models, 1.0))
    start = threading.Barrier(2)
    reports, errors = [], []

    def work():
        try:
            start.wait()
            with clock.use(clock.Frozen(start=NOW, anchor=NOW)):
                reports.append(run_cycle(competition_id=competition.pk))
        except Exception as error:  # noqa: BLE001  shown by the assertion below
            errors.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    assert sum(report.scored for report in reports) == 120
    assert Score.objects.count() == 120
    assert set(Input.objects.values_list("status")) == {("RESOLVED",)}
    assert sum(Snapshot.objects.values_list("prediction_count", flat=True)) == 120
    board = Leaderboard.objects.get(is_newest=True)
    assert set(board.entries.values_list("prediction_count")) == {(30,)}
