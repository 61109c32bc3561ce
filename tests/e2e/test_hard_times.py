"""Parts are killed under a worker that goes on; and a worker of the wrong kind."""

import os
import signal

import pytest

from tests.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

MODEL = """
import time

from tracker import TrackerBase


class Slow(TrackerBase):
    def predict(self, *args):
        time.sleep(0.5)
        return {"value": 1.0}
"""
NEWEST = "SELECT coalesce(max(id), 0) FROM inputs"


def rounds_answered_from_now(machine, *, timeout_s=60):
    """Wait for three rounds made from now on that all models have answered."""
    ((newest,),) = machine.rows(NEWEST)
    machine.wait_for(
        "SELECT 1 FROM inputs i JOIN predictions p ON p.input_id = i.id "
        f"WHERE i.id > {newest} AND p.outcome = 'ANSWERED' "
        "HAVING count(*) >= 9 AND count(DISTINCT i.id) >= 3",
        timeout_s=timeout_s,
    )


def test_a_worker_outlives_the_database_and_the_orchestrator(machine):
    orchestrator = machine.processes[0]
    machine.worker("only@%h")
    rounds_answered_from_now(machine)

    machine.postgres.stop()
    machine.postgres.start()
    rounds_answered_from_now(machine)

    os.killpg(orchestrator.pid, signal.SIGKILL)
    orchestrator.wait()
    machine.start_orchestrator()
    rounds_answered_from_now(machine)

    performed = """
        SELECT count(p.id), count(DISTINCT p.model_id)
        FROM inputs i JOIN predictions p ON p.input_id = i.id
        WHERE i.performed_at IS NOT NULL
        GROUP BY i.id ORDER BY i.id
    """
    assert set(machine.rows(performed)[2:]) == {(3, 3)}
    # Nothing is held against a model but that it had not ended its last answer, or was
    # looked for while its orchestrator was gone.
    errors = {text for (text,) in machine.rows("SELECT last_error FROM models")}
    outages = {text for text in errors if text.startswith("connection failed at unix:")}
    assert errors - outages <= {"", "still busy with an earlier call"}


def test_a_prefork_worker_says_what_is_needed_and_asks_nobody(machine):
    machine.worker("wrong@%h", "-P", "processes", "-c", "1")
    log = machine.var / "log" / "process-1.log"

    machine.wait_for("SELECT 1 FROM inputs WHERE status = 'RECEIVED'", timeout_s=60)
    wait_for(lambda: "GatewayError" in log.read_text(), timeout_s=30)

    text = log.read_text()
    assert "the models' queue was consumed by ForkPool" in text
    assert "celery -A crunchsite worker -Q models -P threads" in text
    assert machine.rows("SELECT 1 FROM predictions") == []
    machine.worker("right@%h", "-Q", "models", "-P", "threads")
    rounds_answered_from_now(machine)
