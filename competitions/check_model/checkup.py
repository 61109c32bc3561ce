"""Test a participant's model before it is submitted, in the sandbox and over the wire.

Two instances run in the sandbox, behind the orchestrator and the gateway, exactly as in
a live competition. They receive recorded candles and are asked round by round.
"""

import importlib
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from competitions.check_model.ask_scopes import (
    AskedRounds,
    Scope,
    ask_all,
    scopes_of,
)
from competitions.check_model.bench import Bench, own_bench
from competitions.gateway.gateway import ModelGateway
from competitions.gateway.types import Call, ModelAnswer
from competitions.local_models import control
from competitions.local_models.control import ControlError
from competitions.local_models.hidden_folders import CHECK
from competitions.local_models.process import NOT_STARTED
from competitions.local_models.usage import descendants
from competitions.slots import Wiring

START_TIMEOUT_S = 120.0
LOG_DELAY_S = 2.0
SETUP_FAILED = "setup failed: "
INSTANCES = ("first", "second")


@dataclass(frozen=True, kw_only=True)
class Checkup(AskedRounds):
    """The result of a test, with the limit on answer times in milliseconds.

    `setup_s` is the time from the code's arrival to being ready to answer; None when
    the setup failed, and then nothing was asked. `peak_mb` is the largest memory of a
    process, `log` the end of the model's output.
    """

    limit_ms: float
    sandbox: str
    setup_s: float | None
    peak_mb: float | None = None
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

    It is asked in the scopes of the contract; see `ask_all`. Raises ControlError when
    the folder is no model, or this machine does not allow the sandbox's level or cannot
    start a process.
    """
    require_model(path)
    with own_bench(level=level) as bench:
        return check_on(
            bench,
            path=path,
            wiring=wiring,
            scopes=scopes_of(wiring.config),
            base_classname=base_classname,
            candles=candles,
            rounds=rounds,
            timeout_s=timeout_s,
        )


def check_on(
    bench: Bench,
    *,
    path: Path,
    wiring: Wiring,
    scopes: Sequence[Scope],
    base_classname: str,
    candles: Sequence[Mapping[str, float]],
    rounds: int,
    timeout_s: float,
) -> Checkup:
    """Check a model on a bench, as `check_model` does; two instances that end with it.

    Raises ControlError when the folder cannot be copied, or the machine cannot start
    the instances.
    """
    # This time is not the model's.
    importlib.import_module("competitions.gateway.asking")
    token = secrets.token_hex(4)
    names = [f"{name}-{token}" for name in INSTANCES]
    started = time.perf_counter()
    with bench.instances(path, names):
        gateway = ModelGateway(
            host=str(bench.socket),
            port=0,
            crunch_id=CHECK,
            base_classname=base_classname,
            timeout_s=timeout_s,
        )
        gateway.start()

        def ask(feed: Call, question: Call) -> list[ModelAnswer]:
            return gateway.ask(feed=feed, question=question, expected=names).answers

        try:
            problem = _wait_set_up(gateway, bench.logs, names, started)
            setup_s = None if problem else time.perf_counter() - started
            asked = (
                AskedRounds(problems=Counter([problem]))
                if problem
                else ask_all(ask, wiring, scopes, candles, rounds)
            )
            return Checkup(
                limit_ms=timeout_s * 1000,
                setup_s=setup_s,
                **vars(asked),
                **_process_facts(bench.logs, names, error=_error_in(problem)),
            )
        finally:
            gateway.close()


def require_model(path: Path) -> None:
    """Raise ControlError when the folder is no model."""
    if not (path / "main.py").is_file():
        raise ControlError(f"model was {path}, which has no main.py.")


def _wait_set_up(
    gateway: ModelGateway, logs: Path, names: Sequence[str], started: float
) -> str:
    """Wait until the instances are live; returns why one cannot be, or empty.

    Raises ControlError when the machine cannot start them.
    """
    while time.perf_counter() - started < START_TIMEOUT_S:
        if gateway.live() >= set(names):
            return ""
        rows = [row for row in control.status(logs) if row.model_id in names]
        errors = [row.error for row in rows if row.error]
        for error in errors:
            if error.startswith(NOT_STARTED):
                raise ControlError(f"the machine is at fault: {error}.")
        seen = [each for each in gateway.roster() if each.model_id in names]
        errors += [each.error for each in seen if each.error]
        if errors:
            return f"{SETUP_FAILED}{errors[-1]}"
        time.sleep(0.01)
    return f"setup did not finish within {START_TIMEOUT_S:g} s"


class _ProcessFacts(TypedDict):
    sandbox: str
    log: str
    peak_mb: float | None


def _process_facts(logs: Path, names: Sequence[str], *, error: str) -> _ProcessFacts:
    """Return the sandbox, the end of the log and the peak memory of the instances.

    The error of a failed setup stands in the log a moment after it is known.
    """
    rows = [row for row in control.status(logs) if row.model_id in names]
    stop_at = time.monotonic() + LOG_DELAY_S
    while error not in (log := _log_tail(logs, names[0])) and (
        time.monotonic() < stop_at
    ):
        time.sleep(0.01)
    pids = [row.pid for row in rows if row.pid is not None]
    peaks = [peak for pid in pids if (peak := _peak_mb(pid)) is not None]
    return {
        "sandbox": rows[0].sandbox if rows else "",
        "log": log,
        "peak_mb": max(peaks, default=None),
    }


def _error_in(problem: str) -> str:
    """Return the error of a failed setup as its log has it; empty for another end."""
    return problem.removeprefix(SETUP_FAILED).rpartition(" (")[0]


def _log_tail(logs: Path, name: str) -> str:
    with suppress(ControlError):
        return control.log_tail(logs_dir=logs, model_id=name, lines=20)
    return ""


def _peak_mb(pid: int) -> float | None:
    """Return the largest resident size of a process below a keeper, in MB.

    None where the keeper's id is not of this system, as in another container.
    """
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"competitions.local_models" not in command:
            return None
    sizes = []
    for one in descendants(pid):
        with suppress(OSError):
            status = Path(f"/proc/{one}/status").read_text().splitlines()
            peaks = [line for line in status if line.startswith("VmHWM:")]
            sizes += [int(line.split()[1]) / 1024 for line in peaks]
    return max(sizes, default=None)
