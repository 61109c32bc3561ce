"""One id from a request to the tasks that it starts to each line of the log."""

import logging
import logging.config
import queue

import pytest
import structlog
from celery import signals
from django.test import Client

from crunchsite import celery, tasks
from crunchsite.correlation import HEADER, KEY
from crunchsite.settings.logging import logging_config
from tests.crunchsite.workers import working
from tests.waiting import AMPLE_S

log = structlog.get_logger("tests.correlation")


class Lines(logging.Handler):
    """The lines as the site's handler would write them."""

    def __init__(self):
        super().__init__()
        config = logging_config("INFO")
        made = logging.config.DictConfigurator(config)
        self.setFormatter(made.configure_formatter(config["formatters"]["line"]))
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


@pytest.fixture
def lines():
    handler = Lines()
    loggers = [logging.getLogger(name) for name in ("tests", "django.request")]
    for logger in loggers:
        logger.addHandler(handler)
    loggers[0].setLevel("INFO")
    yield handler.lines
    for logger in loggers:
        logger.removeHandler(handler)


def test_a_request_keeps_its_id_and_its_lines_carry_it(db, lines):
    answer = Client().get("/nowhere", headers={HEADER: "bot-7:2026"})
    assert answer.status_code == 404
    assert answer[HEADER] == "bot-7:2026"
    assert any("request_id=bot-7:2026" in line for line in lines)
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize(
    "given", [None, "", "a b", "a\nb", "x" * 65, "-", "é", "=1", "a\0b"]
)
def test_an_id_that_is_missing_or_strange_is_replaced(given):
    headers = {} if given is None else {HEADER: given}
    answers = [Client().get("/healthz", headers=headers)[HEADER] for _ in range(2)]
    assert all(len(made) == 32 and made.isalnum() for made in answers)
    assert answers[0] != answers[1]


def test_a_refusal_of_the_edge_carries_the_id_too():
    answer = Client().get(f"/{'x' * 3000}", headers={HEADER: "long"})
    assert (answer.status_code, answer[HEADER]) == (414, "long")


def test_a_task_carries_the_id_of_who_sent_it_and_the_next_its_own(lines, monkeypatch):
    seen = queue.Queue()

    def work(queues, *, node):
        log.info("tests.worked", queues=queues)
        seen.put(structlog.contextvars.get_contextvars())

    monkeypatch.setattr(tasks.heartbeats, "give", work)
    with working(monkeypatch):
        with structlog.contextvars.bound_contextvars(**{KEY: "press-1"}):
            tasks.give_sign_of_life.apply_async(args=["default"], queue="default")
        first = seen.get(timeout=AMPLE_S)
        alone = tasks.give_sign_of_life.apply_async(args=["default"], queue="default")
        second = seen.get(timeout=AMPLE_S)
    assert first == {KEY: "press-1", "task": "crunchsite.heartbeat"}
    assert second == {KEY: alone.id, "task": "crunchsite.heartbeat"}
    worked = [line for line in lines if "tests.worked" in line]
    assert [f"{KEY}=press-1" in line for line in worked] == [True, False]
    assert "task=crunchsite.heartbeat" in worked[1]


def test_a_task_that_starts_another_passes_the_id_on():
    sent = []

    @celery.app.task(name="tests.parent", bind=True, shared=False)
    def parent(self):
        headers = {}
        signals.before_task_publish.send(
            sender="tests.child", headers=headers, routing_key="", body=None
        )
        sent.append(headers)

    try:
        done = parent.apply()
    finally:
        celery.app.tasks.unregister("tests.parent")
    assert done.successful(), done.result
    assert sent == [{KEY: done.id}]
    assert structlog.contextvars.get_contextvars() == {}


def test_a_callable_in_a_thread_of_its_own_keeps_the_id():
    from core.deadline import in_time

    with structlog.contextvars.bound_contextvars(**{KEY: "round-9"}):
        seen = in_time(structlog.contextvars.get_contextvars, 30)
    assert seen == {KEY: "round-9"}
