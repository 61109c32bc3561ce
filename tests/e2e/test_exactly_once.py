"""Two workers with Beat at once, one killed in the middle of a round."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import psycopg2
import pytest

from crunchsite.stack.postgres import VOLATILE, Postgres
from crunchsite.stack.supervisor import free_port
from crunchsite.stack.valkey import Valkey

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parent.parent.parent
SLUG = "twice"
INTERVAL_S = 2
# Slow enough that a worker can be killed while it is being asked.
SLOW_MODEL = """
import time

from tracker import TrackerBase


class Slow(TrackerBase):
    def predict(self, *args):
        time.sleep(0.8)
        return {"value": 1.0}
"""
SETUP = """
from competitions import lifecycle
from competitions.models import ScheduledPrediction

competition = lifecycle.create_competition(slug="twice", pack_name="realtime")
ScheduledPrediction.objects.update(prediction_interval_s=2, resolve_horizon_s=2)
lifecycle.activate(competition_id=competition.pk)
"""


class Machine:
    """Real servers, real models, and workers that the test starts and kills."""

    def __init__(self, folder: Path) -> None:
        self.var = folder / "var"
        self.postgres = Postgres(self.var, options=VOLATILE)
        self.valkey = Valkey(self.var, durable=False)
        self.port = free_port()
        self.models = folder / "models"
        for name in ("one", "two", "three"):
            (self.models / name).mkdir(parents=True)
            (self.models / name / "main.py").write_text(SLOW_MODEL)
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
            "VAR_DIR": str(self.var),
            "MODEL_RUNNER_NODE_HOST": "127.0.0.1",
            "MODEL_RUNNER_NODE_PORT": str(self.port),
        }
        self.processes: list[subprocess.Popen] = []

    def start(self) -> None:
        self.postgres.start()
        self.valkey.start()
        self.manage("migrate", "--verbosity", "0")
        self.manage("shell", "--verbosity", "0", "--command", SETUP)
        self.run(
            *("-m", "competitions.local_models", "--models", str(self.models)),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--crunch-id", SLUG, "--logs", str(self.var / "log")),
        )

    def manage(self, *args: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", *args], cwd=ROOT, env=self.env, check=True
        )

    def run(self, *args: str) -> subprocess.Popen:
        log = self.var / "log" / f"process-{len(self.processes)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, *args],
                cwd=ROOT,
                env=self.env,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def worker(self, name: str) -> subprocess.Popen:
        return self.run("-m", "celery", "-A", "crunchsite", "worker", "-B", "-n", name)

    def rows(self, sql: str) -> list[tuple]:
        connection = psycopg2.connect(self.postgres.url)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()
        finally:
            connection.close()

    def wait_for(self, sql: str, *, timeout_s: float, every_s: float = 0.2):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if rows := self.rows(sql):
                return rows
            time.sleep(every_s)
        logs = "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted((self.var / "log").rglob("*.log"))
        )
        pytest.fail(f"no row came of: {sql}\n{logs}")

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.valkey.stop()
        self.postgres.stop()


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    try:
        machine.start()
        yield machine
    finally:
        machine.stop()


def test_a_worker_killed_in_mid_round_loses_nothing_and_doubles_nothing(machine):
    first = machine.worker("first@%h")
    answered = "SELECT 1 FROM predictions WHERE outcome = 'ANSWERED' LIMIT 1"
    machine.wait_for(answered, timeout_s=60)  # so the first worker owns the gateway
    machine.worker("second@%h")
    time.sleep(6)
    being_asked = """
        SELECT id FROM inputs
        WHERE status = 'RECEIVED' AND performed_at IS NULL
    """
    ((killed_round,), *_) = machine.wait_for(being_asked, timeout_s=20, every_s=0.05)
    os.killpg(first.pid, signal.SIGKILL)

    (outcome,) = machine.wait_for(
        f"""
            SELECT status, performed_at IS NOT NULL FROM inputs
            WHERE id = {killed_round}
              AND (performed_at IS NOT NULL OR status = 'MISSED')
        """,
        timeout_s=60,
    )
    machine.wait_for(
        f"SELECT 1 FROM inputs WHERE id > {killed_round} AND performed_at IS NOT NULL "
        "HAVING count(*) >= 3",
        timeout_s=60,
    )

    assert outcome[1], "the round that was killed is asked by the other worker"
    slots = [slot for (slot,) in machine.rows("SELECT slot_at FROM inputs ORDER BY 1")]
    steps = {after - before for before, after in pairwise(slots)}
    assert steps == {timedelta(seconds=INTERVAL_S)}, (
        "each slot has one round, none lost"
    )
    doubled = """
        SELECT input_id, model_id FROM predictions GROUP BY 1, 2 HAVING count(*) > 1
    """
    assert machine.rows(doubled) == []
    performed = """
        SELECT count(p.id)
        FROM inputs i LEFT JOIN predictions p ON p.input_id = i.id
        WHERE i.performed_at IS NOT NULL
        GROUP BY i.id ORDER BY i.id
    """
    assert {count for (count,) in machine.rows(performed)[2:]} == {3}
    machine.wait_for(
        "SELECT 1 FROM scores HAVING count(*) >= 3 AND "
        "count(*) = count(DISTINCT (prediction_id, scoring_version))",
        timeout_s=60,
    )
