"""Short drills, for every run: one site, hit by everything, keeps its data and itself.

`make drills` takes each fault for itself and compares with an undisturbed run.
"""

import os
import signal
import time
from collections import Counter

import pytest
import redis

from crunchsite.stack import leftovers
from tests.e2e.conftest import ROOT
from tests.faults import oracles
from tests.ports import free_port

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


def names_of(site):
    return Counter(part.name for part in leftovers.find(site.var))


def test_a_site_hit_by_everything_keeps_its_data_and_itself(site):
    site.start()
    site.wait_rounds()
    whole = names_of(site)
    assert whole == Counter(worker=2, web=1, models=1, postgres=1, valkey=1)

    # Each part dies, is told of, is there again, and leaves nobody behind.
    for name, number, title in (
        ("worker", signal.SIGKILL, "worker"),
        ("postgres", signal.SIGQUIT, "PostgreSQL"),
        ("valkey", signal.SIGKILL, "Valkey"),
        ("models", signal.SIGKILL, "models"),
    ):
        site.kill(name, number)
        site.wait_said(f"  {title} ended with ")
        site.wait_said(f"  {title} is back after ")
    redis.Redis.from_url(site.redis_url).flushall()
    site.wait_rounds()
    assert names_of(site) == whole

    # One site for each folder, whichever port, even when its lock was deleted.
    (site.var / "up.lock").unlink()
    refused = site.second_start(free_port())
    assert refused.returncode == 1
    assert f"already running here (process {site.process.pid})" in refused.stderr

    # The supervisor is killed: nothing outlives it, and the next start goes on.
    ((newest,),) = site.rows("SELECT max(slot_at) FROM inputs")
    assert site.end(signal.SIGKILL) == -signal.SIGKILL
    site.wait_nothing_left()
    site.start()
    site.wait_rounds()
    ((oldest,),) = site.rows(
        f"SELECT min(slot_at) FROM inputs WHERE slot_at > '{newest.isoformat()}'"
    )
    assert oldest - newest == oracles.SLOT

    site.wait_for(lambda: site.rows("SELECT 1 FROM checkpoints"), timeout_s=120)
    site.wait_scored()
    facts = oracles.check(site)
    assert facts.checkpoints > 0
    assert facts.scores > 0

    # The terminal is closed: everything stops in order.
    assert site.end(signal.SIGHUP) == 0
    assert site.said().endswith(
        f"Stopped; the data stay under {site.var.relative_to(ROOT)}/.\n"
    )
    assert leftovers.find(site.var) == []
    assert not (site.var / "postgres" / "data" / "postmaster.pid").exists()


def test_impatient_fingers_while_it_starts_leave_nothing(site):
    site.launch()
    site.wait_said("Valkey  ")
    for _ in range(4):
        site.process.send_signal(signal.SIGINT)
        time.sleep(0.2)  # four signals at once would be one
    assert site.process.wait(120) == 0
    assert "Traceback" not in site.said()
    assert site.said().endswith(
        f"Stopped; the data stay under {site.var.relative_to(ROOT)}/.\n"
    )
    assert leftovers.find(site.var) == []


def test_a_terminal_that_is_gone_and_a_full_disk_behind_it_stop_nothing(site):
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123  no file
        site.launch(output=full)
    site.wait_for(site.is_ready, timeout_s=120)
    site.wait_watched()  # while it starts, a part that ends is the start's failure
    os.kill(site.parts()["web"], signal.SIGKILL)
    site.wait_for(lambda: not site.is_ready(), timeout_s=120)
    site.wait_for(site.is_ready, timeout_s=120)
    assert site.end(signal.SIGTERM) == 0
    assert leftovers.find(site.var) == []
