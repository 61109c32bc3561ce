import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crunchsite.stack import leftovers
from crunchsite.stack.processes import Child, wait_until

SLEEP = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture
def child(tmp_path):
    """Make children that are gone after the test."""
    made = []

    def make(code, **options):
        made.append(Child("c", [sys.executable, "-c", code], var=tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop(is_forced=lambda: True)


def said(one, text):
    return wait_until(lambda: one.log.tail() == text, timeout_s=60)


def is_alive(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return status[0] != "Z"


def test_a_child_writes_to_its_log_and_reports_how_it_ended(child):
    one = child("print('hello'); raise SystemExit(3)")
    one.start()
    assert wait_until(lambda: not one.is_running(), timeout_s=60)
    assert one.exit_code() == 3
    assert said(one, "hello")


def test_a_child_is_asked_to_stop(child):
    one = child(SLEEP)
    one.start()
    assert said(one, "up")
    one.stop()
    assert one.exit_code() == -signal.SIGTERM


DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEP


@pytest.mark.parametrize("how", [{"timeout_s": 0.3}, {"is_forced": lambda: True}])
def test_a_child_that_does_not_listen_is_killed(child, how):
    one = child(DEAF)
    one.start()
    assert said(one, "up")
    one.stop(**how)
    assert one.exit_code() == -signal.SIGKILL


ORPHAN = f"""
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", {DEAF!r}]).pid, flush=True)
time.sleep(600)
"""


def test_what_a_dead_child_leaves_in_its_group_is_ended_with_it(child):
    one = child(ORPHAN)
    one.start()
    assert wait_until(lambda: "up" in one.log.tail(), timeout_s=60)
    orphan = int(one.log.tail().split()[0])
    os.kill(one.pid, signal.SIGKILL)
    assert wait_until(lambda: not one.is_running(), timeout_s=60)
    assert wait_until(lambda: not is_alive(orphan), timeout_s=60)


def test_a_child_that_ends_just_after_the_look_is_not_collected(child, monkeypatch):
    """Or what it left in its group would stay."""
    one = child(ORPHAN)
    one.start()
    assert wait_until(lambda: "up" in one.log.tail(), timeout_s=60)
    orphan = int(one.log.tail().split()[0])
    os.kill(one.pid, signal.SIGKILL)
    assert wait_until(one._has_ended, timeout_s=60)
    with monkeypatch.context() as patch:
        patch.setattr(one, "_has_ended", lambda: False)
        assert one.exit_code() is None
    assert one.exit_code() == -signal.SIGKILL
    assert wait_until(lambda: not is_alive(orphan), timeout_s=60)


SUPERVISOR = """
import sys, time
from pathlib import Path
from crunchsite.stack.processes import Child

child = Child("part", [sys.executable, "-c", sys.argv[2]], var=Path(sys.argv[1]))
child.start()
time.sleep(600)
"""


@pytest.fixture
def supervisor(tmp_path):
    """Run a supervisor of one part with the given code; both are gone afterwards."""
    made = []

    def run(code):
        command = [sys.executable, "-c", SUPERVISOR, str(tmp_path), code]
        made.append(subprocess.Popen(command))
        log = tmp_path / "log" / "part.log"
        assert wait_until(
            lambda: log.exists() and "up" in log.read_text(), timeout_s=60
        )
        return made[-1]

    yield run
    for process in made:
        process.kill()
        process.wait()
    leftovers.end(tmp_path, patience_s=5)


def test_a_child_ends_with_a_parent_that_was_killed(supervisor, tmp_path):
    process = supervisor(SLEEP)
    (part,) = leftovers.find(tmp_path)
    assert part.is_supervised
    assert (part.name, part.supervisor) == ("part", process.pid)
    process.kill()
    process.wait()
    assert wait_until(lambda: not leftovers.find(tmp_path), timeout_s=60)


def test_what_outlives_a_killed_supervisor_is_found_and_ended(supervisor, tmp_path):
    process = supervisor(DEAF)
    (part,) = leftovers.find(tmp_path)
    process.kill()
    process.wait()
    assert wait_until(
        lambda: not any(p.is_supervised for p in leftovers.find(tmp_path)), timeout_s=60
    )
    left = leftovers.find(tmp_path)
    assert [each.pid for each in left] == [part.pid]
    assert leftovers.end(tmp_path, patience_s=0.5) == left
    assert wait_until(
        lambda: not any(is_alive(part.pid) for part in left), timeout_s=60
    )
    assert leftovers.find(tmp_path) == []


def test_another_site_s_processes_are_not_taken_for_leftovers(supervisor, tmp_path):
    supervisor(SLEEP)
    assert leftovers.find(tmp_path / "another") == []


def test_waiting_ends_with_the_time():
    assert not wait_until(lambda: False, timeout_s=0.1)
