"""Hostile models cost themselves alone: in the real sandbox, as root and as a user."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from competitions.local_models import cgroups, control
from competitions.local_models.launch import PROJECT
from competitions.local_models.sandbox import trouble_with_level_2
from competitions.local_models.usage import descendants, usage_of
from tests.competitions.gateway.conftest import LIMIT_S, STEADY, ask, wait_live
from tests.competitions.local_models.conftest import LocalModels
from tests.waiting import AMPLE_S, wait_for

MODELS = Path(__file__).parent / "models"
SOMEBODY = 12_345  # a user that the system does not know
IS_ROOT = os.geteuid() == 0
# So much that a model serves, and little enough to be reached by a small attack.
FEW = ("--tasks", "48")
SMALL = ("--memory-mb", "640", *FEW)

pytestmark = pytest.mark.skipif(
    bool(trouble_with_level_2()), reason="namespaces are not available here"
)


class Arena(LocalModels):
    """Hostile models beside a steady one, under an orchestrator of a given user."""

    def __init__(self, folder: Path, uid: int | None) -> None:
        super().__init__(folder)
        self.uid = uid

    def begin(self, *hostile: str, options=(), namespaces=True, files=None) -> "Arena":
        self.write("steady", STEADY)
        for name in hostile:
            shutil.copytree(MODELS / name, self.models / name)
        for name, text in (files or {}).items():
            (self.models / name).write_text(text)
        if self.uid is not None:
            for path in (self.models.parent, *self.models.parent.rglob("*")):
                os.chown(path, self.uid, self.uid)

        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.attacks.begun_as"),
                    *(str(self.uid or ""), "namespaces" if namespaces else ""),
                    *("--models", self.models, "--logs", self.logs),
                    *("--socket", self.socket, "--crunch-id", "test", *options),
                ],
                cwd=PROJECT,
                env={"PATH": os.defpath},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self

    def row(self, model_id: str) -> control.ModelStatus:
        return {row.model_id: row for row in control.status(self.logs)}[model_id]

    def attack(self, *hostile: str, options=(), timeout_s=AMPLE_S):
        """All live; one round; the gateway and the answers."""
        self.begin(*hostile, options=options)
        gateway = self.gateway(timeout_s=timeout_s)
        wait_live(gateway, "steady", *hostile)
        answers = ask(gateway, ["steady", *hostile])
        assert answers["steady"].result == {"value": 1.0}
        return gateway, answers

    def steady_answers(self, gateway) -> None:
        assert ask(gateway, ["steady"])["steady"].result == {"value": 1.0}
        assert self.row("steady").restarts == 0


@pytest.fixture(
    params=[
        pytest.param(None, id="own"),
        pytest.param(
            SOMEBODY,
            id="somebody",
            marks=pytest.mark.skipif(not IS_ROOT, reason="root alone can be another"),
        ),
    ]
)
def arena(request):
    with tempfile.TemporaryDirectory(prefix="arena-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        arena = Arena(folder, request.param)
        yield arena
        arena.stop()


def are_alive(pids):
    """Return which of the processes have not ended, as far as can be seen."""

    def is_alive(pid):
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        return text.rpartition(")")[2].split()[0] not in "ZX"

    return {pid for pid in pids if is_alive(pid)}


LEVELS = pytest.mark.parametrize("level", ["1", "2"])


@pytest.mark.attack(
    "processes that hide from Stop", held_by="the first process of the namespace"
)
@LEVELS
def test_nothing_of_a_model_survives_its_stop(arena, level):
    gateway, _ = arena.attack("survivor", options=("--level", level))
    pids = descendants(arena.row("survivor").pid)
    assert len(pids) >= 3

    control.stop(logs_dir=arena.logs, model_id="survivor")

    wait_for(lambda: arena.row("survivor").state == "STOPPED")
    wait_for(lambda: not are_alive(pids))
    arena.steady_answers(gateway)


@pytest.mark.attack(
    "processes that outlive a killed orchestrator", held_by="keeper and namespace"
)
@LEVELS
def test_nothing_survives_the_orchestrators_death(arena, level):
    arena.attack("survivor", options=("--level", level))
    pids = descendants(arena.process.pid)
    assert len(pids) >= 7

    arena.process.kill()
    arena.process.wait()

    wait_for(lambda: not are_alive(pids))


@pytest.mark.attack(
    "processes that outlive keeper and orchestrator", held_by="the sweep at the start"
)
@pytest.mark.skipif(not IS_ROOT, reason="only root's models have users of their own")
def test_what_survives_the_death_of_all_who_keep_it_ends_at_the_next_start():
    with tempfile.TemporaryDirectory(prefix="arena-") as name:
        arena = Arena(Path(name), None)
        try:
            arena.attack("survivor", options=("--level", "1", "--cpus", "0"))
            pids = descendants(arena.process.pid)
            ours = {pid for pid in pids if Path(f"/proc/{pid}").stat().st_uid == 0}
            for pid in (arena.process.pid, *ours):
                end(pid)
            arena.process.wait()

            arena.begin(options=("--level", "1"))
            wait_for(arena.socket.exists)

            wait_for(lambda: not are_alive(pids))
        finally:
            arena.stop()


def end(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.attack(
    "memory in many children", held_by="the memory group, or a look twice a second"
)
def test_memory_of_all_processes_together_is_bounded(arena):
    gateway, _ = arena.attack("eater", options=SMALL)

    keeper = arena.row("eater").pid
    wholly = 2 + 12  # guardian and model, and its children

    def is_held():
        return len(are_alive(descendants(keeper))) < wholly

    wait_for(is_held)  # the kernel killed some, or the keeper ended all
    wait_for(lambda: usage_of(keeper).memory_mb < 640)
    if arena.uid is not None:
        wait_for(lambda: arena.row("eater").restarts >= 1)
        assert "MB of memory together; at most 640" in arena.row("eater").error
    arena.steady_answers(gateway)


def test_the_threads_of_a_model_leave_it_its_memory(arena):
    """Its bound is one of addresses, and an allocator takes 64 MB of them a thread."""
    gateway, _ = arena.attack(options=FEW)
    for _ in range(20):
        arena.steady_answers(gateway)
    assert address_space_mb(arena.row("steady").pid) < 400


def address_space_mb(keeper):
    """The largest that any process of a model has had."""
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in descendants(keeper)]
    return max(int(re.search(r"VmPeak:\s+(\d+)", text)[1]) for text in texts) / 1024


@pytest.mark.attack("a fork bomb", held_by="the pids group, or a limit")
def test_the_number_of_processes_is_bounded(arena):
    gateway, answers = arena.attack("breeder", options=FEW)

    assert answers["breeder"].outcome == "ANSWERED", answers["breeder"].reason
    assert 0 < answers["breeder"].result["value"] < 48
    arena.steady_answers(gateway)


@pytest.mark.attack("doors into the kernel", held_by="the filter of system calls")
@LEVELS
def test_system_calls_that_no_model_needs_are_refused(arena, level):
    _, answers = arena.attack("escaper", options=("--level", level))

    found = answers["escaper"].result
    families = {"netlink", "vsock", "algorithms", "packets"}
    assert {name for name, code in found.items() if code == 0} == {"value"}
    assert {found[name] for name in families} == {errno.EAFNOSUPPORT}
    assert found["clone3"] == errno.ENOSYS
    others = found.keys() - families - {"clone3", "value"}
    assert {found[name] for name in others} == {errno.EPERM}


@pytest.mark.attack(
    "a link in place of its own socket", held_by="a folder taken away, random names"
)
def test_a_model_cannot_reach_the_folder_of_its_socket(arena):
    gateway, answers = arena.attack("linker")
    (path,) = {
        Path(runner.port)
        for model_id, runner in gateway._asker._cluster.models_run.items()
        if model_id == "linker"
    }

    # What it can write under that name is in its own /tmp.
    assert answers["linker"].result["replaced"] == []
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert path.is_socket()
    assert "linker" not in str(path)
    assert arena.row("linker").deployment_id not in str(path)


@pytest.mark.attack("the disk", held_by="a small file system that goes with the model")
def test_what_a_model_can_write_is_bounded_and_goes_with_it(arena):
    gateway, answers = arena.attack("hoarder")

    found = answers["hoarder"].result
    assert found["megabytes"] == 50
    assert found["levels"] + found["files"] < 4_200
    control.stop(logs_dir=arena.logs, model_id="hoarder")
    wait_for(lambda: arena.row("hoarder").state == "STOPPED")
    arena.steady_answers(gateway)


@pytest.mark.attack("signals to everybody", held_by="processes that it cannot see")
def test_a_model_can_signal_itself_alone(arena):
    gateway, answers = arena.attack("killer", timeout_s=LIMIT_S)
    # It stops or kills itself by the ids of its own threads, whichever comes first; a
    # model that has stopped itself costs the round the gateway's whole time limit.
    assert answers["killer"].outcome == "FAILED"
    arena.steady_answers(gateway)


STOPS = "processes that stop instead of ending"


@pytest.mark.attack(STOPS, held_by="a look of each parent at its child")
@pytest.mark.parametrize("whom", ["itself", "group"])
@LEVELS
def test_a_model_that_stops_itself_is_started_again(arena, level, whom):
    gateway = stop_one(arena, level, whom)

    wait_for(lambda: arena.row("stopper").restarts >= 1)
    assert "it was stopped by SIG" in arena.row("stopper").error
    assert ask(gateway, ["steady"])["steady"].result == {"value": 1.0}
    control.stop(logs_dir=arena.logs, model_id="stopper")
    wait_for(lambda: arena.row("stopper").state == "STOPPED")
    arena.steady_answers(gateway)


@pytest.mark.attack(STOPS, held_by="a look of each parent at its child")
@pytest.mark.parametrize("whom", ["guardian", "keeper", "all"])
@LEVELS
def test_a_model_whose_keepers_it_stops_is_started_again(arena, level, whom):
    gateway = stop_one(arena, level, whom)

    if level == "1" and (arena.uid is not None or not IS_ROOT):  # of the same user
        wait_for(lambda: arena.row("stopper").restarts >= 1)
        assert "stopped" in arena.row("stopper").error
    elif whom != "all":  # it could stop nobody, and has answered
        assert arena.row("stopper").restarts == 0
    control.stop(logs_dir=arena.logs, model_id="stopper")
    wait_for(lambda: arena.row("stopper").state == "STOPPED")
    arena.steady_answers(gateway)


def stop_one(arena, level, whom):
    """One round beside a model that stops somebody; returns the gateway."""
    arena.begin("stopper", options=("--level", level), files={"stopper/whom": whom})
    gateway = arena.gateway(timeout_s=AMPLE_S)
    wait_live(gateway, "steady", "stopper")
    assert ask(gateway, ["steady"])["steady"].result == {"value": 1.0}
    return gateway


@pytest.mark.attack("orders to the orchestrator", held_by="a socket of mode 0600")
@pytest.mark.attack("reading code and logs", held_by="folders of mode 0700")
def test_other_users_reach_neither_orders_nor_code_nor_logs(arena):
    gateway, _ = arena.attack()
    modes = {p: p.stat().st_mode & 0o777 for p in (arena.models, arena.logs)}
    assert set(modes.values()) == {0o700}
    assert arena.socket.stat().st_mode & 0o777 == 0o600
    assert arena.socket.stat().st_uid == (arena.uid or os.geteuid())
    arena.steady_answers(gateway)


def test_an_orchestrators_socket_is_not_taken_from_it(arena):
    arena.attack()
    first = arena.process

    arena.begin()

    assert arena.process.wait(60) == 1
    assert "Address already in use" in arena.output.read_text()
    assert arena.socket.is_socket()
    arena.process = first


def test_level_1_is_taken_only_when_it_is_asked_for_by_name(arena):
    """On a machine without namespaces, which the models' own filter makes of ours."""
    arena.begin(namespaces=False)

    assert arena.process.wait(60) == 1
    said = arena.output.read_text()
    assert "Error: level was 2, which this machine does not allow" in said
    assert "LOCAL_MODELS_LEVEL=1" in said
    assert not arena.socket.exists()

    arena.begin(options=("--level", "1"))
    wait_live(arena.gateway(), "steady")
    assert arena.row("steady").sandbox.startswith("level 1: ")


def test_the_level_says_what_holds_each_bound(arena):
    arena.attack(options=SMALL)
    controllers = set()
    if arena.uid is None:
        found = cgroups.find()
        cgroups.remove(found.values())
        controllers = found.keys()

    text = arena.row("steady").sandbox

    for controller, bound in (
        ("memory", "memory: 640 MB"),
        ("pids", "processes and threads: 48"),
    ):
        (part,) = [part for part in text.split("; ") if part.startswith(bound)]
        assert ("control group" in part) == (controller in controllers)
