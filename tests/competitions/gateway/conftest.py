"""Real model processes, announced by a scripted orchestrator, asked by the gateway."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from competitions.gateway.gateway import ModelGateway
from competitions.gateway.types import Argument, Call
from competitions.local_models.launch import PACKAGE, PROJECT, clean_environment
from tests.fakes.orchestrator import ScriptedOrchestrator
from tests.waiting import AMPLE_S, wait_for

FEED = Call("feed_update", (Argument("JSON", {"symbol": "BTC", "candles_1m": []}),))
QUESTION = Call(
    "predict", (Argument("STRING", "BTC"), Argument("INT", 60), Argument("INT", 15))
)

STEADY = """
from tracker import TrackerBase
class Model(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        return {"value": 1.0}
"""


def predicting(body: str, head: str = "") -> str:
    """Source of a model whose `predict` has the given body."""
    return (
        f"{head}\nfrom tracker import TrackerBase\n"
        "class Model(TrackerBase):\n"
        "    def predict(self, subject, resolve_horizon_seconds, step_seconds):\n"
        + textwrap.indent(textwrap.dedent(body), "        ")
    )


HANGING = predicting("while True: time.sleep(1)", head="import time")


# The limit of a test about a limit: ample for a model that answers at once.
LIMIT_S = 5.0


class RunningModel:
    """One model's process at an address of its own."""

    def __init__(self, folder: Path, source: str, **options: float) -> None:
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.write(source)
        self.log_path = folder.with_suffix(".log")
        self.options = {"hang-s": 30.0, "setup-hang-s": 30.0, **options}
        self.socket = folder.with_suffix(".sock")
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, source: str) -> None:
        (self.folder / "main.py").write_text(source)

    def start(self, socket: Path | None = None) -> "RunningModel":
        return self.begin(socket).wait_listening()

    def begin(self, socket: Path | None = None) -> "RunningModel":
        """Start the process, without waiting for it."""
        self.socket = socket or self.socket
        self.socket.unlink(missing_ok=True)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-B", "-m", "competitions.local_models.runner"),
                    *("--socket", self.socket, "--model", self.folder),
                    *("--package", PACKAGE, "--parent", str(os.getpid())),
                    *("--memory-mb", "2048", "--tasks", "256", "--level", "1"),
                    *(f"--{key}={value}" for key, value in self.options.items()),
                ],
                cwd=PROJECT,
                env=clean_environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def wait_listening(self) -> "RunningModel":
        wait_for(lambda: self.socket.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log_path.read_text()
        return self

    def kill(self) -> None:
        """End it, and wait until the last of its processes no longer answers."""
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not is_listening(self.socket))

    def freeze(self) -> None:
        """Stop the model, and first those who would end a stopped one."""
        (guardian,) = children(self.process.pid)
        for pid in (self.process.pid, guardian, *children(guardian)):
            os.kill(pid, signal.SIGSTOP)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


def is_listening(address: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        link.connect(str(address))
        return True
    return False


def children(pid: int) -> list[int]:
    return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


class Stage:
    """A scripted orchestrator, its models and gateways to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.orchestrator = ScriptedOrchestrator().start()
        self.models: dict[str, RunningModel] = {}
        self.gateways: list[ModelGateway] = []

    def add(self, model_id: str, source: str = STEADY, **options) -> RunningModel:
        model = RunningModel(self.folder / model_id, source, **options)
        self.models[model_id] = model.start()
        self.orchestrator.announce(model_id, address=model.socket)
        return model

    def add_all(self, sources: dict[str, str]) -> None:
        """As `add`, with all processes starting at once."""
        for model_id, source in sources.items():
            model = RunningModel(self.folder / model_id, source)
            self.models[model_id] = model.begin()
        for model_id in sources:
            model = self.models[model_id].wait_listening()
            self.orchestrator.announce(model_id, address=model.socket)

    def gateway(
        self, *, connects: bool = True, starts: bool = True, **options
    ) -> ModelGateway:
        options = {"timeout_s": AMPLE_S, "setup_timeout_s": AMPLE_S, **options}
        gateway = ModelGateway(
            host="127.0.0.1",
            port=self.orchestrator.port,
            crunch_id="test",
            base_classname="tracker.TrackerBase",
            **options,
        )
        self.gateways.append(gateway)
        if not starts:
            return gateway
        gateway.start()
        if connects:
            wait_for(lambda: gateway.is_connected)
        return gateway

    def close(self) -> None:
        for gateway in self.gateways:
            gateway.close()
        self.orchestrator.stop()
        for model in self.models.values():
            model.stop()


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def ask(gateway, expected, *, feed=FEED, question=QUESTION):
    """One round; answers by model id."""
    found = gateway.ask(feed=feed, question=question, expected=expected)
    assert len({a.model_id for a in found.answers}) == len(found.answers)
    return {answer.model_id: answer for answer in found.answers}


def wait_live(gateway, *model_ids):
    wait_for(lambda: gateway.live() >= set(model_ids))


def beside_steady(stage, source, **gateway_options):
    """A steady and a bad model, both live, and their gateway."""
    stage.add("steady")
    stage.add("bad", source)
    gateway = stage.gateway(**gateway_options)
    wait_live(gateway, "steady", "bad")
    return gateway


def bad_answer(gateway, **call):
    """One round: the steady model answers; returns the bad one's answer."""
    answers = ask(gateway, ["steady", "bad"], **call)
    assert answers["steady"].outcome == "ANSWERED"
    return answers["bad"]


def failure_codes(stage):
    return [(r["model_id"], r["failure_code"]) for r in stage.orchestrator.reports]


def forget_model(socket):
    """What a restart on the same address leaves: a runner without a model."""
    import grpc
    from google.protobuf.empty_pb2 import Empty
    from model_runner_client.grpc.generated.dynamic_subclass_pb2_grpc import (
        DynamicSubclassServiceStub,
    )

    with grpc.insecure_channel(f"unix:{socket}") as channel:
        DynamicSubclassServiceStub(channel).Rest(Empty())
