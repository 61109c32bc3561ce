import gc
import logging
import queue
import threading
from types import SimpleNamespace

import pytest
import redis
from celery import signals
from celery.contrib.testing.worker import start_worker
from django.conf import settings

from competitions import tasks as predict_tasks
from core.logs import IdleLine
from crunchsite import celery, tasks
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


@pytest.fixture
def as_before():
    """What a worker sets for its whole process is not the next test's."""
    root, queues = logging.getLogger(), celery.app.amqp.queues
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    queues.select(celery.QUEUES)


def test_a_task_is_the_brokers_until_it_has_ended(monkeypatch, as_before):
    """So that one whose worker dies in the middle is given to another."""
    broker = redis.from_url(settings.REDIS_URL)
    begun, may_end = queue.Queue(), threading.Event()

    def work(queues, *, node):
        begun.put(node)
        may_end.wait(60)

    def send():
        task = tasks.give_sign_of_life.apply_async(args=["default"], queue="default")
        assert begun.get(timeout=60)
        return task

    def is_held(task):
        return any(task.id.encode() in m for m in broker.hvals("crunchsite:unacked"))

    monkeypatch.setattr(tasks.heartbeats, "give", work)
    monkeypatch.setattr(signals.worker_ready, "receivers", [])
    options = {"pool": "threads", "concurrency": 2, "perform_ping_check": False}
    with start_worker(celery.app, **options, queues=["default"]):
        first = send()
        send()  # by then the worker has told the broker whatever it will of the first
        held = is_held(first)
        may_end.set()
    assert held
    assert not is_held(first)
