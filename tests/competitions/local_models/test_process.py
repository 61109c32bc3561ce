"""One model's process when the machine, not the model, is in trouble."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys

import pytest

from competitions.local_models import cgroups, submission
from competitions.local_models.launch import Limits, launch
from competitions.local_models.process import (
    MOST_RESTARTS,
    NOT_STARTED,
    STEADY_S,
    ModelProcess,
    _terminate,
)
from tests.competitions.gateway.conftest import STEADY

PROCESS = "competitions.local_models.process"


def steady_process(folder, on_change, **limits):
    """A model that always answers; `folder` must have a folder `run` for its start."""
    (folder / "model").mkdir()
    (folder / "model" / "main.py").write_text(STEADY)
    return ModelProcess(
        submission.read(folder / "model"),
        uid=0,
        run_dir=folder / "run" / "model",
        log_path=folder / "model.log",
        limits=Limits(level=1, **limits),
        start_slots=asyncio.Semaphore(1),
        on_change=on_change,
    )


def test_what_cannot_be_started_is_tried_again_and_not_quarantined(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(f"{PROCESS}.START_PAUSE_S", 0.01)
    seen = []

    async def live():
        is_up = asyncio.Event()

        async def changed(process):
            seen.append((process.state, process.error))
            if len(seen) == MOST_RESTARTS + 2:
                (tmp_path / "run").mkdir()
            if process.state == "RUNNING":
                is_up.set()

        process = steady_process(tmp_path, changed)
        process.start()
        await asyncio.wait_for(is_up.wait(), 60)
        await process.stop()

    asyncio.run(live())

    states = [state for state, _ in seen]
    assert states == ["RECOVERING"] * (MOST_RESTARTS + 2) + [
        "RUNNING",
        "STOPPED",
    ]
    assert "it could not be started: [Errno 2]" in seen[0][1]


def test_one_that_ends_before_it_listens_is_tried_again_and_not_quarantined(
    tmp_path, monkeypatch
):
    """Nothing of the model has run by then: the machine is to blame."""
    monkeypatch.setattr(f"{PROCESS}.LONGEST_PAUSE_S", 0.01)
    (tmp_path / "run").mkdir()
    troubles, seen = [1] * (MOST_RESTARTS + 2), []

    async def troubled(**options):
        if not troubles:
            return await launch(**options)
        troubles.pop()
        return await asyncio.create_subprocess_exec(
            "false", stdout=asyncio.subprocess.PIPE, start_new_session=True
        )

    monkeypatch.setattr(f"{PROCESS}.launch", troubled)

    async def live():
        is_up = asyncio.Event()

        async def changed(process):
            seen.append((process.state, process.error))
            if process.state in ("RUNNING", "QUARANTINED"):
                is_up.set()

        process = steady_process(tmp_path, changed)
        process.start()
        await asyncio.wait_for(is_up.wait(), 60)
        await process.stop()

    asyncio.run(live())

    states = [state for state, _ in seen]
    assert states == ["RECOVERING"] * (MOST_RESTARTS + 2) + ["RUNNING", "STOPPED"]
    assert seen[0][1].startswith(f"{NOT_STARTED}its process ended (exit code 1)")


def test_a_group_that_cannot_be_cleared_ends_no_models_life(tmp_path, monkeypatch):
    """A plain folder for a control group: what is joined and read there are files."""
    (tmp_path / "run").mkdir()
    group = tmp_path / "group" / "run-model"
    group.mkdir(parents=True)
    make = cgroups.make

    def made(*args, **options):
        groups = make(*args, **options)
        (group / "cgroup.procs").touch()
        return groups

    monkeypatch.setattr(cgroups, "make", made)
    states = asyncio.Queue()

    async def live():
        async def changed(process):
            states.put_nowait(process.state)

        process = steady_process(
            tmp_path, changed, parents={"pids": tmp_path / "group"}
        )
        process.start()
        try:
            seen = [await asyncio.wait_for(states.get(), 20)]
            shutil.rmtree(group)
            process.restart()
            seen += [await asyncio.wait_for(states.get(), 20) for _ in range(2)]
            shutil.rmtree(group)
        finally:
            await process.stop()
        return [*seen, states.get_nowait()]

    assert asyncio.run(live()) == ["RUNNING", "RECOVERING", "RUNNING", "STOPPED"]


def test_a_process_that_hung_in_its_setup_did_not_recover_before():
    """Or a setup that never ends would be started again for ever."""
    assert Limits(level=1).setup_hang_s < STEADY_S


def test_ends_from_outside_are_not_its_fault_and_its_own_are(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{PROCESS}.LONGEST_PAUSE_S", 0.01)
    (tmp_path / "run").mkdir()
    states = asyncio.Queue()

    async def live():
        async def changed(process):
            states.put_nowait((process.state, process.error))

        process = steady_process(tmp_path, changed)

        async def end_by(end):
            for _ in range(MOST_RESTARTS + 1):
                while (await asyncio.wait_for(states.get(), 60))[0] != "RUNNING":
                    pass
                end()

        process.start()
        try:
            await end_by(lambda: os.killpg(process.pid, signal.SIGKILL))
            await end_by(process.restart)  # as of one that the gateway cannot reach
            await end_by(lambda: os.killpg(process.pid, signal.SIGSEGV))
            while (last := await asyncio.wait_for(states.get(), 60))[0] == "RECOVERING":
                pass
        finally:
            await process.stop()
        return last

    state, error = asyncio.run(live())
    assert state == "QUARANTINED"
    assert error.startswith("5 times in a row its process ended (SIGSEGV)")


def test_who_tells_it_to_end_leaves_its_exit_code_to_the_event_loop():
    """Or a restart may count as the model's fault: the loop says 255 then."""
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    _terminate(ended)
    assert ended.returncode is None
    assert ended.wait() == 3


def test_no_trouble_ends_the_life_of_a_model(tmp_path, monkeypatch):
    """Neither in its start, whatever is raised there, nor in who hears of it."""
    monkeypatch.setattr(f"{PROCESS}.START_PAUSE_S", 0.01)
    (tmp_path / "run").mkdir()
    start, troubles = asyncio.create_subprocess_exec, [RecursionError(), ValueError()]

    async def troubled(*args, **options):
        if troubles:
            raise troubles.pop()
        return await start(*args, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", troubled)
    states = asyncio.Queue()

    async def live():
        async def changed(process):
            states.put_nowait((process.state, process.error))
            raise RuntimeError("a listener's")

        process = steady_process(tmp_path, changed)
        process.restarts = 2_000  # of a model that ends itself each minute
        process.start()
        try:
            seen = [await asyncio.wait_for(states.get(), 60) for _ in range(3)]
            process.restart()
            seen += [await asyncio.wait_for(states.get(), 60)]
            monkeypatch.setattr(f"{PROCESS}.LONGEST_PAUSE_S", 0.01)
        finally:
            await process.stop()
        return seen

    found = asyncio.run(live())

    assert [state for state, _ in found] == [
        *["RECOVERING"] * 2,
        "RUNNING",
        "RECOVERING",
    ]
    assert found[0][1] == "it could not be started: ValueError"
    assert found[1][1] == "it could not be started: RecursionError"


@pytest.mark.parametrize("turns", range(4))
def test_one_that_ends_as_it_is_stopped_is_not_started_again(
    tmp_path, monkeypatch, turns
):
    """Whatever turn of the event loop lies between its end and the word to stop it."""

    class Ended:
        pid, returncode = 2**22 + 1, None  # of no process

        def __init__(self):
            self.has_ended = asyncio.Event()

        async def wait(self):
            await self.has_ended.wait()
            self.returncode = 0
            return 0

    started = []

    async def start(process):
        process._process = Ended()
        started.append(process._process)
        return True

    async def live():
        is_up = asyncio.Event()

        async def changed(process):
            is_up.set()

        process = steady_process(tmp_path, changed)
        process.start()
        await is_up.wait()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        started[0].has_ended.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await process.stop()
        return process.state

    monkeypatch.setattr(ModelProcess, "_start_process", start)
    assert asyncio.run(live()) == "STOPPED"
    assert len(started) == 1
