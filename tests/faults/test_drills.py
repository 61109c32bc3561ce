"""Every fault for itself, against an undisturbed run: `make drills`, half an hour.

Each drill plays two hours of the market and needs the machine for itself.
"""

import os
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from crunchsite.stack import leftovers
from tests.e2e.conftest import ROOT
from tests.faults import oracles
from tests.faults.site import Site
from tests.ports import free_port

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.environ.get("DRILLS"), reason="`make drills` runs these"),
]

CHECKPOINTS = 2


def finish(site: Site) -> oracles.Facts:
    """Let it run until enough periods were paid; then look at every row."""
    site.wait_rounds()
    paid = f"SELECT 1 FROM checkpoints HAVING count(*) >= {CHECKPOINTS}"
    site.wait_for(lambda: site.rows(paid), timeout_s=400)
    site.wait_scored()
    return oracles.check(site)


@pytest.fixture(scope="module")
def undisturbed():
    (ROOT / "var" / "e2e").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "var" / "e2e") as folder:
        Path(folder).chmod(0o755)
        site = Site(Path(folder))
        try:
            site.start()
            facts = finish(site)
            assert site.end(signal.SIGINT) == 0
        finally:
            leftovers.end(site.var)
    return facts


def kill_thrice(name, title, number=signal.SIGKILL):
    def fault(site):
        for times in range(1, 4):
            site.kill(name, number)
            site.wait_said(f"  {title} is back after ", times=times)
            site.wait_rounds()

    return fault


def kill_models_thrice(site):
    for _ in range(3):
        site.kill_models()
        site.wait_rounds()


def flush(site):
    for _ in range(3):
        redis.Redis.from_url(site.redis_url).flushall()
        site.wait_rounds()


def stop_worker_for_a_while(site):
    """A worker that hangs is shown, and goes on."""
    pid = site.parts()["worker"]
    os.kill(pid, signal.SIGSTOP)
    try:
        site.wait_for(lambda: not site.is_ready(), timeout_s=120)
    finally:
        os.kill(pid, signal.SIGCONT)
    site.wait_for(site.is_ready, timeout_s=120)


def kill_beat_alone(site):
    """Nobody's child dies: only its silence shows it."""
    worker = site.parts()["worker"]
    (beat,) = [
        part.pid
        for part in leftovers.find(site.var)
        if part.name == "worker" and part.pid != worker
    ]
    time.sleep(60)  # a worker that has just started is left alone
    os.kill(beat, signal.SIGKILL)
    site.wait_for(lambda: not site.is_ready(), timeout_s=120)
    site.wait_said("  Beat sends no heartbeat; the worker is restarted")
    site.wait_said("  worker is back after ")
    site.wait_for(site.is_ready, timeout_s=120)


def kill_supervisor_and_change_port(site):
    for _ in range(2):
        site.end(signal.SIGKILL)
        site.port = free_port()  # at once: what is left may still be ending
        site.url, site.env["PORT"] = f"http://127.0.0.1:{site.port}", str(site.port)
        site.start()
        site.wait_rounds()


def kill_supervisor_and_worker(site):
    """Beat is an orphan that nobody's signal reaches; the next start ends it."""
    parts = site.parts()
    os.kill(parts["worker"], signal.SIGSTOP)
    site.end(signal.SIGKILL)
    os.kill(parts["worker"], signal.SIGKILL)
    site.wait_for(
        lambda: [part.name for part in leftovers.find(site.var)] == ["worker"],
        timeout_s=120,
    )
    site.start()
    site.wait_rounds()  # its Beat is there, too
    left = [part.name for part in leftovers.find(site.var)]
    assert sorted(left) == ["models", "postgres", "valkey", "web", "worker", "worker"]
    assert "An earlier start was killed; ended what it left: worker" in site.said()


def close_terminal(site):
    for _ in range(2):
        assert site.end(signal.SIGHUP) == 0
        assert leftovers.find(site.var) == []
        site.start()
        site.wait_rounds()


def hit_everything_at_once(site):
    for name in site.parts():
        site.kill(name)
    for title in ("worker", "PostgreSQL", "Valkey", "models", "web"):
        site.wait_said(f"  {title} is back after ")


@pytest.mark.parametrize(
    "fault",
    [
        kill_thrice("worker", "worker"),
        kill_thrice("postgres", "PostgreSQL", signal.SIGQUIT),
        kill_thrice("postgres", "PostgreSQL"),
        kill_thrice("valkey", "Valkey"),
        kill_thrice("models", "models"),
        kill_models_thrice,
        flush,
        stop_worker_for_a_while,
        kill_beat_alone,
        kill_supervisor_and_change_port,
        kill_supervisor_and_worker,
        close_terminal,
        hit_everything_at_once,
    ],
    ids=[
        *("worker-killed", "postgres-quit", "postgres-killed", "valkey-killed"),
        *("orchestrator-killed", "models-killed", "flushall", "worker-stopped"),
        "beat-killed",
        *("supervisor-killed", "supervisor-and-worker-killed", "terminal-closed"),
        "all-at-once",
    ],
)
def test_data_are_those_of_an_undisturbed_run(site, undisturbed, fault):
    site.start()
    site.wait_rounds()
    fault(site)
    facts = finish(site)
    assert oracles.compare(facts, undisturbed) > 0
    assert site.end(signal.SIGINT) == 0
    assert leftovers.find(site.var) == []


@contextmanager
def small_disk(folder: Path, size: str):
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "drill", folder],
        check=True,
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_ends_nothing_and_the_site_goes_on_by_itself(
    make_site, tmp_path, undisturbed
):
    with small_disk(tmp_path, "400m"):
        site = make_site()
        site.start()
        site.wait_rounds()
        ballast = tmp_path / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(2**20))
            except OSError:
                pass
        site.wait_said("The clock cannot be saved")
        time.sleep(20)  # long enough for whatever breaks to break
        assert site.process.poll() is None
        ballast.unlink()
        facts = finish(site)
        assert oracles.compare(facts, undisturbed) > 0
        assert site.end(signal.SIGINT) == 0
        assert leftovers.find(site.var) == []
