"""The whole stack as a user starts it, in a folder and on a port of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg2
import pytest
import requests

from crunchsite.stack.ends_with_parent import tied
from crunchsite.stack.postgres import VOLATILE, Postgres
from crunchsite.stack.valkey import Valkey
from tests.ports import free_port as find_free_port
from tests.warm import manage

ROOT = Path(__file__).resolve().parent.parent.parent


def python(*arguments: str) -> list[str]:
    """Return the command that runs Python until this process ends, however it does.

    So a run of the tests that is killed leaves no site behind.
    """
    return tied([sys.executable, *arguments], stop_signal=signal.SIGINT)


class Stack:
    """`manage.py up` in a process of its own, stopped as by Ctrl-C."""

    def __init__(self, var: Path, port: int, **env: str) -> None:
        self.var, self.port, self.url = var, port, f"http://127.0.0.1:{port}"
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
            "VAR_DIR": str(var),
            "PORT": str(port),
            "API_RATE_PER_ADDRESS": "0",
            **env,
        }
        self.output = var.parent / f"up-{port}.out"
        self.process: subprocess.Popen | None = None

    def start(self, *, timeout_s: float = 300) -> None:
        self.launch()
        self.wait_for(self.is_ready, timeout_s=timeout_s)

    def launch(self, output=None) -> None:
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                python("manage.py", "up"),
                cwd=ROOT,
                env=self.env,
                stdout=output or out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output.read_text()
        try:
            return requests.get(f"{self.url}/readyz", timeout=10).ok
        except requests.RequestException:
            return False

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(240)

    def get(self, path: str):
        return requests.get(f"{self.url}{path}", timeout=10).json()

    def wait_for(self, condition, *, timeout_s: float):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if result := condition():
                return result
            time.sleep(0.5)
        logs = "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted((self.var / "log").glob("*.log"))
        )
        pytest.fail(f"{condition} never came true\n{self.output.read_text()}\n{logs}")


@pytest.fixture
def tmp_path():
    """A folder below the project: pytest's own is closed to PostgreSQL's user."""
    parent = ROOT / "var" / "e2e"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def free_port():
    return find_free_port()


@pytest.fixture
def run_up(tmp_path):
    """Run `manage.py up` that is expected to refuse; returns the finished process."""

    def run(**env: str) -> subprocess.CompletedProcess:
        dev = {"DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev"}
        var = {"VAR_DIR": str(tmp_path / "var")}
        return manage("up", env={**os.environ, **dev, **var, **env})

    return run


@pytest.fixture
def stack(tmp_path, free_port):
    """A stack that is not started yet; stopped after the test."""
    made: list[Stack] = []

    def make(**env: str) -> Stack:
        made.append(Stack(tmp_path / "var", free_port, **env))
        return made[-1]

    yield make
    for each in made:
        if each.process is not None and each.process.poll() is None:
            each.stop()


# A competition that asks every two seconds.
SETUP = """
from django.core.management import call_command

call_command("migrate", verbosity=0)

from competitions import lifecycle
from competitions.models import ScheduledPrediction

competition = lifecycle.create_competition(slug="live", pack_name="realtime")
ScheduledPrediction.objects.update(prediction_interval_s=2, resolve_horizon_s=2)
lifecycle.activate(competition_id=competition.pk)
"""


class Machine:
    """Real servers, real models, and workers that the test starts and kills."""

    SLUG = "live"

    def __init__(self, folder: Path, source: str) -> None:
        self.var = folder / "var"
        self.postgres = Postgres(self.var, options=VOLATILE)
        self.valkey = Valkey(self.var, durable=False)
        self.socket = folder / "o.sock"
        self.models = folder / "models"
        for name in ("one", "two", "three"):
            (self.models / name).mkdir(parents=True)
            (self.models / name / "main.py").write_text(source)
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
            "VAR_DIR": str(self.var),
            "MODEL_RUNNER_NODE_HOST": str(self.socket),
        }
        self.processes: list[subprocess.Popen] = []

    def start(self) -> None:
        self.postgres.start()
        self.valkey.start()
        self.manage("shell", "--verbosity", "0", "--command", SETUP)
        self.start_orchestrator()

    def start_orchestrator(self) -> subprocess.Popen:
        return self.run(
            *("-m", "competitions.local_models", "--models", str(self.models)),
            *("--socket", str(self.socket)),
            *("--crunch-id", self.SLUG, "--logs", str(self.var / "log")),
        )

    def manage(self, *args: str) -> None:
        done = manage(*args, env=self.env)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *args: str) -> subprocess.Popen:
        log = self.var / "log" / f"process-{len(self.processes)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(
                python(*args),
                cwd=ROOT,
                env=self.env,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def worker(self, name: str, *options: str) -> subprocess.Popen:
        return self.run(
            *("-m", "celery", "-A", "crunchsite", "worker", "-B", "-n", name), *options
        )

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
                process.wait(240)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.valkey.stop()
        self.postgres.stop()


@pytest.fixture
def machine(tmp_path, request):
    """A machine whose three models have the source that the test module calls MODEL."""
    machine = Machine(tmp_path, request.module.MODEL)
    try:
        machine.start()
        yield machine
    finally:
        machine.stop()
