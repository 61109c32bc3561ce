"""The participants' self-test: a model on the real path, before it is submitted.

Two instances run in the sandbox, behind the orchestrator and the gateway, exactly as in
a live competition; recorded candles are shown and questions asked round by round.
"""

import importlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from competitions.gateway.gateway import ModelGateway
from competitions.gateway.types import Answer, Argument, Call
from competitions.local_models import control
from competitions.local_models.control import ControlError
from competitions.local_models.launch import PROJECT, clean_environment
from competitions.local_models.usage import descendants
from competitions.rounds.check_answers import check_answer
from competitions.slots import Wiring

WINDOW = 120
START_TIMEOUT_S = 120.0
CRUNCH = "check-model"
INSTANCES = ("first", "second")
# Shows a feed update, asks a question, and gives one answer for each instance.
Ask = Callable[[Call, Call], Sequence[Answer]]


@dataclass
class Checkup:
    """What a model did. Times are the model's answer times to the question, in ms.

    `setup_s` is from starting everything to being ready to answer; None when it could
    not be set up, and then nothing was asked.
    `problems` counts each text; `is_deterministic` is None when nothing was compared.
    """

    limit_ms: float
    sandbox: str = ""
    setup_s: float | None = None
    rounds: int = 0
    answered: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    p50_ms: float | None = None
    p99_ms: float | None = None
    peak_mb: float | None = None
    is_deterministic: bool | None = None
    sample: Any = None
    log: str = ""

    @property
    def is_fit(self) -> bool:
        return self.setup_s is not None and not self.problems


def check_model(
    *,
    path: Path,
    wiring: Wiring,
    base_classname: str,
    candles: Sequence[Mapping[str, float]],
    rounds: int,
    timeout_s: float,
    level: int = 2,
) -> Checkup:
    """Run the model in `path` over `candles`, oldest first, `rounds` times.

    Each round shows one candle more, at most the newest `WINDOW`. Raises ControlError
    when the folder is no model, or this
    machine does not allow the sandbox's level.
    """
    require_model(path)
    found = Checkup(limit_ms=timeout_s * 1000)
    importlib.import_module("competitions.gateway.asking")  # not the model's time
    with tempfile.TemporaryDirectory(prefix="check-model-") as scratch:
        folder = Path(scratch)
        for name in INSTANCES:
            shutil.copytree(path, folder / "models" / name)
        started = time.perf_counter()
        with _orchestrator(folder, level=level) as socket:
            gateway = ModelGateway(
                host=str(socket),
                port=0,
                crunch_id=CRUNCH,
                base_classname=base_classname,
                timeout_s=timeout_s,
            )
            gateway.start()

            def ask(feed: Call, question: Call) -> list[Answer]:
                return gateway.ask(
                    feed=feed, question=question, expected=INSTANCES
                ).answers

            try:
                if _is_set_up(gateway, folder / "logs", found, started):
                    ask_all(ask, wiring, candles, rounds, found)
                _look_at_processes(folder / "logs", found)
            finally:
                gateway.close()
    return found


def require_model(path: Path) -> None:
    """Raise ControlError when the folder is no model."""
    if not (path / "main.py").is_file():
        raise ControlError(f"model was {path}, which has no main.py.")


def _is_set_up(
    gateway: ModelGateway, logs: Path, found: Checkup, started: float
) -> bool:
    """Wait until both instances are live, or one cannot be."""
    while time.perf_counter() - started < START_TIMEOUT_S:
        if gateway.live() >= set(INSTANCES):
            found.setup_s = time.perf_counter() - started
            return True
        errors = [row.error for row in control.status(logs) if row.error]
        errors += [identity.error for identity in gateway.roster() if identity.error]
        if errors:
            found.problems[f"setup failed: {errors[-1]}"] += 1
            return False
        time.sleep(0.01)
    found.problems[f"setup did not finish within {START_TIMEOUT_S:g} s"] += 1
    return False


def ask_all(
    ask: Ask,
    wiring: Wiring,
    candles: Sequence[Mapping[str, float]],
    rounds: int,
    found: Checkup,
) -> None:
    """Go through the rounds and gather what is to be said about the first instance."""
    times_ms, agreements = [], []
    for number in range(rounds):
        end = max(1, len(candles) - rounds + number + 1)
        feed, question = _calls(wiring, candles[max(0, end - WINDOW) : end])
        first, *others = (check_answer(a, wiring) for a in ask(feed, question))
        found.rounds += 1
        if first.exec_time_us is not None:
            times_ms.append(first.exec_time_us / 1000)
        if first.warning:
            found.problems[first.warning] += 1
        if first.outcome != "ANSWERED":
            found.problems[first.reason] += 1
            continue
        found.answered += 1
        found.sample = first.result
        agreements += [
            first.result == other.result
            for other in others
            if other.outcome == "ANSWERED"
        ]
    if times_ms:
        found.p50_ms = statistics.median(times_ms)
        found.p99_ms = sorted(times_ms)[min(len(times_ms) - 1, rounds * 99 // 100)]
    if agreements:
        found.is_deterministic = all(agreements)


def _calls(wiring: Wiring, window: Sequence[Mapping[str, float]]) -> tuple[Call, Call]:
    """The feed update and the question of one round, as the contract says."""
    config = wiring.config
    schedules = config.scheduled_predictions
    horizon = schedules[0].schedule.resolve_horizon_seconds if schedules else 60
    scope = {**config.scope.model_dump(), "resolve_horizon_seconds": horizon}
    if schedules:
        scope |= schedules[0].scope_template
    data = {
        "symbol": scope["subject"],
        "asof_ts": window[-1]["ts"],
        "candles_1m": list(window),
    }
    feed = Call(config.feed_update_method, (Argument("JSON", data),))
    return feed, Call(
        config.call_method.method,
        tuple(
            Argument(argument.type, scope.get(argument.name, ""))
            for argument in config.call_method.args
        ),
        largest_answer_bytes=config.max_output_bytes,
    )


def _look_at_processes(logs: Path, found: Checkup) -> None:
    rows = control.status(logs)
    found.sandbox = rows[0].sandbox if rows else ""
    with suppress(ControlError):
        found.log = control.log_tail(logs_dir=logs, model_id="first", lines=20)
    pids = [row.pid for row in rows if row.pid is not None]
    peaks = [peak for pid in pids if (peak := _peak_mb(pid)) is not None]
    found.peak_mb = max(peaks, default=None)


def _peak_mb(pid: int) -> float | None:
    """Largest resident size of a process below a keeper: the model's."""
    sizes = []
    for one in descendants(pid):
        with suppress(OSError):
            status = Path(f"/proc/{one}/status").read_text().splitlines()
            peaks = [line for line in status if line.startswith("VmHWM:")]
            sizes += [int(line.split()[1]) / 1024 for line in peaks]
    return max(sizes, default=None)


@contextmanager
def _orchestrator(folder: Path, *, level: int) -> Iterator[Path]:
    """The orchestrator over `folder`/models; gives its socket."""
    socket = folder / "orchestrator.sock"
    output = folder / "orchestrator.log"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "competitions.local_models"),
                *("--models", folder / "models", "--logs", folder / "logs"),
                *("--socket", socket, "--crunch-id", CRUNCH, "--level", str(level)),
            ],
            cwd=PROJECT,
            env=clean_environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        while not socket.exists():
            if process.poll() is not None:
                raise ControlError(output.read_text().strip().removeprefix("Error: "))
            time.sleep(0.01)
        yield socket
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
