"""The real orchestrator process over a folder of models."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from competitions.gateway.gateway import ModelGateway
from competitions.local_models import control
from competitions.local_models.launch import PROJECT
from tests.competitions.gateway.conftest import STEADY
from tests.waiting import AMPLE_S, wait_for

# What the orchestrator writes of a model that runs.
ROW = control.ModelStatus(
    model_id="model",
    name="Model",
    cruncher="ann",
    state="RUNNING",
    error="",
    restarts=0,
    deployment_id="model_1",
    code_hash="ab",
    changed_at="2026-01-01T00:00:00+00:00",
    sandbox="level 1",
    pid=None,
)


class LocalModels:
    """`python -m competitions.local_models` over a folder, with gateways to it."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        self.models.mkdir()
        self.logs = folder / "logs"
        self.output = folder / "orchestrator.log"
        self.socket = folder / "o.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self.gateways: list[ModelGateway] = []

    def write(self, model_id: str, source: str = STEADY) -> None:
        folder = self.models / model_id
        folder.mkdir(exist_ok=True)
        (folder / "main.py").write_text(source)

    def start(self, *options: str, models: Path | None = None) -> "LocalModels":
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "competitions.local_models"),
                    *("--models", models or self.models, "--logs", self.logs),
                    *("--socket", self.socket, "--crunch-id", "test", *options),
                ],
                cwd=PROJECT,
                env={**os.environ, "SECRET_KEY": "not for models"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self

    def gateway(self, **options) -> ModelGateway:
        gateway = ModelGateway(
            host=str(self.socket),
            port=0,
            crunch_id="test",
            base_classname="tracker.TrackerBase",
            **{"timeout_s": AMPLE_S, **options},
        )
        self.gateways.append(gateway)
        gateway.start()
        wait_for(lambda: gateway.is_connected)
        return gateway

    def stop(self) -> int | None:
        for gateway in self.gateways:
            gateway.close()
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(AMPLE_S)

    def states(self, gateway: ModelGateway) -> dict[str, str]:
        return {identity.model_id: identity.state for identity in gateway.roster()}


@pytest.fixture
def local_models(tmp_path):
    local = LocalModels(tmp_path)
    yield local
    local.stop()


def descendants(pid: int) -> set[int]:
    """All living processes below `pid`."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found, front = set(), {pid}
    while front:
        front = {child for child, parent in parents.items() if parent in front}
        found |= front
    return found


def row_of(local_models, model_id):
    rows = {row.model_id: row for row in control.status(local_models.logs)}
    return rows.get(model_id)


def state_of(local_models, model_id):
    row = row_of(local_models, model_id)
    return row and row.state


def run_one(local_models, source=STEADY):
    local_models.write("model", source)
    local_models.start("--level", "1")
    wait_for(lambda: state_of(local_models, "model") == "RUNNING")
