import gc
from types import SimpleNamespace

import pytest
from celery import signals

from competitions import tasks as predict_tasks
from core.logs import IdleLine
from crunchsite import celery
from scoring import tasks as scoring_tasks


def test_a_worker_spares_the_collector_what_it_has_loaded():
    before = gc.get_freeze_count()
    try:
        signals.worker_init.send(sender=celery.app)
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_a_worker_says_which_loops_it_runs(caplog):
    consumer = SimpleNamespace(app=celery.app)
    celery.say_what_started(sender=consumer)
    said = " ".join(caplog.messages)
    assert "predict.started" in said
    assert "score.started" in said


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("task", "event"),
    [(predict_tasks, "predict.idle"), (scoring_tasks, "score.idle")],
)
def test_a_loop_without_work_says_so_once_a_minute(task, event, caplog, monkeypatch):
    monkeypatch.setattr(task, "_idle", IdleLine(event))
    for _ in range(3):
        task.dispatch()
    assert sum(event in message for message in caplog.messages) == 1
    monkeypatch.setattr("core.logs.IDLE_S", 0.0)
    task.dispatch()
    assert sum(event in message for message in caplog.messages) == 2
