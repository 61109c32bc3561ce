import gc
import queue
import threading
from types import SimpleNamespace

import pytest
from celery import signals

from competitions import tasks as predict_tasks
from core.logs import IdleLine
from crunchsite import celery, tasks
from scoring import tasks as scoring_tasks
from tests.crunchsite.workers import held, working
from tests.waiting import AMPLE_S


def test_a_worker_spares_the_collector_what_it_has_loaded():
    before = gc.get_freeze_count()
    try:
        signals.worker_init.send(sender=celery.app)
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_a_broker_that_is_gone_without_a_word_holds_nobody_up_for_ever():
    with celery.app.connection_for_write() as connection:
        channel = connection.default_channel
        assert 5 <= channel.socket_timeout <= 30
        assert 5 <= channel.socket_connect_timeout <= 30


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


def test_a_task_is_the_brokers_until_it_has_ended(monkeypatch):
    """So that one whose worker dies in the middle is given to another."""
    begun, may_end = queue.Queue(), threading.Event()

    def work(queues, *, node):
        begun.put(node)
        may_end.wait(AMPLE_S)

    def send():
        task = tasks.give_sign_of_life.apply_async(args=["default"], queue="default")
        assert begun.get(timeout=AMPLE_S)
        return task

    monkeypatch.setattr(tasks.heartbeats, "give", work)
    with working(monkeypatch, concurrency=2):
        first = send()
        send()  # by then the worker has told the broker whatever it will of the first
        is_held = any(first.id.encode() in message for message in held())
        may_end.set()
    assert is_held
    assert held() == []
