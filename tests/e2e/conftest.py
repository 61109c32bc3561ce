"""The whole stack as a user starts it, in a folder and on a port of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parent.parent.parent


class Stack:
    """`manage.py up` in a process of its own, stopped as by Ctrl-C."""

    def __init__(self, var: Path, port: int, **env: str) -> None:
        self.var, self.port, self.url = var, port, f"http://127.0.0.1:{port}"
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
            "VAR_DIR": str(var),
            "PORT": str(port),
            **env,
        }
        self.output = var.parent / f"up-{port}.out"
        self.process: subprocess.Popen | None = None

    def start(self, *, timeout_s: float = 90) -> None:
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=self.env,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_for(self._is_ready, timeout_s=timeout_s)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output.read_text()
        try:
            return requests.get(f"{self.url}/readyz", timeout=2).ok
        except requests.RequestException:
            return False

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

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
    from crunchsite.stack.supervisor import free_port

    return free_port()


@pytest.fixture
def run_up(tmp_path):
    """Run `manage.py up` that is expected to refuse; returns the finished process."""

    def run(**env: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
                "VAR_DIR": str(tmp_path / "var"),
                **env,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

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
