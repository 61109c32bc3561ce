"""What a model can reach from inside its sandbox."""

import os
import tempfile
import uuid
from pathlib import Path

import pytest

from competitions.local_models import cgroups, control
from competitions.local_models.sandbox import trouble_with_level_2
from tests.competitions.gateway.conftest import ask, predicting, wait_live
from tests.competitions.local_models.conftest import descendants
from tests.waiting import wait_for

CURIOUS = """
import os, resource, socket
from pathlib import Path
from tracker import TrackerBase

def attempt(work):
    try:
        return str(work())
    except BaseException as error:
        return f"{type(error).__name__}"

class Curious(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        status = Path("/proc/self/status").read_text()
        fields = dict(line.split(":\\t", 1) for line in status.splitlines())
        here = Path(__file__).parent
        return {
            "uid": os.getuid(),
            "capabilities": int(fields["CapEff"], 16),
            "no_new_privileges": fields["NoNewPrivs"],
            "processes": sum(p.name.isdigit() for p in Path("/proc").iterdir()),
            "secret": attempt(lambda: Path(SECRET).read_text()),
            "neighbour": attempt(lambda: (here.parent / "steady/main.py").exists()),
            "network": attempt(lambda: socket.create_connection(("127.0.0.1", 9))),
            "orchestrator": attempt(
                lambda: socket.socket(socket.AF_UNIX).connect(ORCHESTRATOR)
            ),
            "place": str(here),
            "own_file": attempt(lambda: (here / "weights.txt").read_text()),
            # Where it works it is an edit, and an edit restarts the model.
            "own_folder": READ_ONLY and attempt(
                lambda: (here / "new.txt").write_text("x")
            ),
            "scratch": attempt(lambda: Path(SCRATCH).write_text("x")),
            "open_files": attempt(lambda: len([open(__file__) for _ in range(300)])),
            "file_size": attempt(lambda: Path(SCRATCH).write_bytes(bytes(51 * 2**20))),
            "memory": attempt(lambda: len(bytearray(3 * 2**30))),
            "core": resource.getrlimit(resource.RLIMIT_CORE),
            "nice": os.nice(0),
            "imports": attempt(lambda: __import__("statistics").fmean([1, 2])),
            "numbers": attempt(lambda: __import__("numpy").float64(1)),
        }
"""


needs_level_2 = pytest.mark.skipif(
    bool(trouble_with_level_2()), reason="namespaces are not available here"
)


def look_around(local_models, tmp_path, level):
    secret = tmp_path / "secret.txt"
    secret.write_text("database password")
    secret.chmod(0o600)
    scratch = Path(tempfile.gettempdir()) / f"scratch-{uuid.uuid4().hex}"
    head = (
        f"SECRET, ORCHESTRATOR = {str(secret)!r}, {str(local_models.socket)!r}\n"
        f"SCRATCH, READ_ONLY = {str(scratch)!r}, {level == 2 or os.geteuid() == 0}\n"
    )
    local_models.write("curious", head + CURIOUS)
    (local_models.models / "curious" / "weights.txt").write_text("mine")
    local_models.write("steady")
    local_models.start("--level", str(level))
    gateway = local_models.gateway()
    wait_live(gateway, "curious", "steady")
    answer = ask(gateway, ["curious"])["curious"]
    assert answer.outcome == "ANSWERED", answer.reason
    reached = scratch.exists()
    scratch.unlink(missing_ok=True)
    return {**answer.result, "scratch_reached_outside": reached}


@needs_level_2
def test_level_2_shows_nothing_but_the_model(local_models, tmp_path):
    seen = look_around(local_models, tmp_path, 2)

    assert seen["network"] == "OSError"
    assert seen["orchestrator"] == "FileNotFoundError"
    assert seen["processes"] == 1
    assert seen["secret"] == "FileNotFoundError"
    assert seen["neighbour"] == "False"
    assert seen["own_folder"] in ("OSError", "PermissionError")
    assert seen["scratch"] == "1"
    assert not seen["scratch_reached_outside"]
    # What it prints and raises names no folder of the machine.
    assert seen["place"] == "/model"
    holds_at_any_level(seen)


def test_level_1_limits_the_process(local_models, tmp_path):
    seen = look_around(local_models, tmp_path, 1)

    if os.geteuid() == 0:
        assert seen["secret"] == "PermissionError"
        assert seen["own_folder"] == "PermissionError"
        assert seen["orchestrator"] == "PermissionError"
    holds_at_any_level(seen)


def holds_at_any_level(seen):
    if os.geteuid() == 0:
        assert seen["uid"] not in (0, os.getuid())
    assert seen["capabilities"] == 0
    assert seen["no_new_privileges"] == "1"
    assert seen["memory"] == "MemoryError"
    assert seen["open_files"] == "OSError"
    assert seen["file_size"] == "OSError"
    assert seen["core"] == [0, 0]
    assert seen["nice"] == min(19, 10 + os.nice(0))
    assert seen["own_file"] == "mine"
    assert (seen["imports"], seen["numbers"]) == ("1.5", "1.0")


def test_the_level_is_stated(local_models):
    local_models.write("steady")
    local_models.start("--level", "1")
    wait_live(local_models.gateway(), "steady")

    (row,) = control.status(local_models.logs)
    assert row.sandbox.startswith("level 1: own process, limits")
    assert f"meaning='{row.sandbox}'" in local_models.output.read_text()


# --- The CPU's share

GREEDY = predicting(
    """
    def spin():
        while time.monotonic() < end:
            pass

    started, used = time.monotonic(), os.times()
    end = started + 1.0
    children = [multiprocessing.get_context("fork").Process(target=spin) for _ in "ab"]
    for child in children:
        child.start()
    for child in children:
        child.join()
    now = os.times()
    cpu_s = now.children_user + now.children_system - used[2] - used[3]
    return {"value": cpu_s / (time.monotonic() - started)}
    """,
    head="import multiprocessing, os, time",
)


def groups_to_be_had():
    found = cgroups.find()
    cgroups.remove(found.values())
    return found.keys()


needs_groups = pytest.mark.skipif(
    "cpu" not in groups_to_be_had(), reason="control groups are not to be had here"
)


@needs_groups
@pytest.mark.parametrize("level", [1, pytest.param(2, marks=needs_level_2)])
def test_a_greedy_models_processes_share_what_one_model_may_use(local_models, level):
    local_models.write("greedy", GREEDY)
    local_models.start("--cpus", "0.3", "--level", str(level))
    gateway = local_models.gateway()
    wait_live(gateway, "greedy")

    answer = ask(gateway, ["greedy"])["greedy"]

    assert answer.outcome == "ANSWERED", answer.reason
    assert answer.result["value"] < 0.45
    (row,) = control.status(local_models.logs)
    assert row.sandbox.endswith("CPU: at most 0.3 of a CPU, held by a control group")


@needs_groups
def test_no_group_is_left_behind(local_models):
    local_models.write("steady")
    local_models.start()
    wait_live(local_models.gateway(), "steady")
    name = f"crunchsite-models-{local_models.process.pid}"
    found = [p / name for _, p in cgroups._places() if (p / name).exists()]
    assert found

    assert local_models.stop() == 0

    assert not any(group.exists() for group in found)


@needs_groups
def test_a_child_that_hides_from_its_process_group_ends_with_the_model(local_models):
    local_models.write(
        "hiding",
        predicting(
            """
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(600)
                os._exit(0)
            os.wait()
            return {"value": 1.0}
            """,
            head="import os, time",
        ),
    )
    local_models.start("--level", "1")
    gateway = local_models.gateway()
    wait_live(gateway, "hiding")
    assert ask(gateway, ["hiding"])["hiding"].outcome == "ANSWERED"
    parent = f"crunchsite-models-{local_models.process.pid}"
    (group, *_) = (g for _, p in cgroups._places() for g in p.glob(f"{parent}/*/"))
    pids = {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
    assert len(pids) == 2

    control.stop(logs_dir=local_models.logs, model_id="hiding")

    wait_for(lambda: not pids & descendants(1))


def test_without_groups_a_model_keeps_to_one_processor(monkeypatch, local_models):
    monkeypatch.setattr(cgroups, "_places", lambda: iter(()))
    assert cgroups.find() == {}
    local_models.write(
        "steady",
        predicting(
            "return {'value': len(os.sched_getaffinity(0)), 'nice': os.nice(0)}",
            head="import os",
        ),
    )
    local_models.start("--cpus", "0")
    gateway = local_models.gateway()
    wait_live(gateway, "steady")

    seen = ask(gateway, ["steady"])["steady"].result

    assert seen == {"value": 1, "nice": min(19, 10 + os.nice(0))}
    (row,) = control.status(local_models.logs)
    assert row.sandbox.endswith("CPU: low priority, on one CPU, held by the filter")


def test_bounds_are_written_as_version_2_wants_them(tmp_path):
    group = tmp_path / "model"
    group.mkdir()
    for name in ("cpu.max", "memory.max", "memory.swap.max"):
        (group / name).write_text("max")

    made = cgroups.make(
        dict.fromkeys(cgroups.CONTROLLERS, tmp_path),
        "model",
        cpus=0.5,
        memory_mb=3,
        tasks=9,
    )

    assert made == [group]
    assert {path.name: path.read_text() for path in group.iterdir()} == {
        "cpu.max": "50000 100000",
        "memory.max": "3145728",
        "memory.oom.group": "1",
        "memory.swap.max": "0",
        "pids.max": "9",
    }


# --- Its output


def test_a_flood_of_output_is_bounded_and_delays_no_other(local_models):
    local_models.write(
        "noisy",
        predicting(
            "threading.Thread(target=flood, daemon=True).start(); return 1.0",
            head="import threading\ndef flood():\n    while True: print('x' * 5_000)",
        ),
    )
    local_models.write("steady")
    local_models.start()
    gateway = local_models.gateway()
    wait_live(gateway, "noisy", "steady")
    ask(gateway, ["noisy"])
    wait_for(lambda: control.log_tail(logs_dir=local_models.logs, model_id="noisy"))

    control.restart(logs_dir=local_models.logs, model_id="steady")
    (before,) = (i for i in gateway.roster() if i.model_id == "steady")

    def is_back():
        found = {i.model_id: i for i in gateway.roster()}["steady"]
        return (
            found.deployment_id != before.deployment_id and "steady" in gateway.live()
        )

    wait_for(is_back)
    logs = [*local_models.logs.glob("noisy.log*")]
    assert sum(path.stat().st_size for path in logs) < 11 * 2**20
