"""Two workers with Beat at once, one killed in the middle of a round."""

import os
import re
import signal
import time
from datetime import timedelta
from itertools import pairwise

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

INTERVAL_S = 2
# Slow enough that a worker can be killed while it is being asked.
MODEL = """
import time

from tracker import TrackerBase


class Slow(TrackerBase):
    def predict(self, *args):
        time.sleep(0.8)
        return {"value": 1.0}
"""


def test_a_worker_killed_in_mid_round_loses_nothing_and_doubles_nothing(machine):
    first = machine.worker("first@%h")
    answered = "SELECT 1 FROM predictions WHERE outcome = 'ANSWERED' LIMIT 1"
    machine.wait_for(answered, timeout_s=60)  # so the first worker owns the gateway
    machine.worker("second@%h")
    time.sleep(6)
    being_asked = """
        SELECT id FROM inputs
        WHERE status = 'RECEIVED' AND performed_at IS NULL
    """
    ((killed_round,), *_) = machine.wait_for(being_asked, timeout_s=20, every_s=0.05)
    os.killpg(first.pid, signal.SIGKILL)

    (outcome,) = machine.wait_for(
        f"""
            SELECT performed_at IS NOT NULL, reason FROM inputs
            WHERE id = {killed_round}
              AND (performed_at IS NOT NULL OR status = 'MISSED')
        """,
        timeout_s=60,
    )
    machine.wait_for(
        f"SELECT 1 FROM inputs WHERE id > {killed_round} AND performed_at IS NOT NULL "
        "HAVING count(*) >= 3",
        timeout_s=60,
    )

    # The other worker asks the round that was killed; one that is too slow for that,
    # on a busy machine, says so.
    is_asked, reason = outcome
    assert is_asked or re.match("no worker was up|the models could only be", reason)
    slots = [slot for (slot,) in machine.rows("SELECT slot_at FROM inputs ORDER BY 1")]
    steps = {after - before for before, after in pairwise(slots)}
    assert steps == {timedelta(seconds=INTERVAL_S)}, (
        "each slot has one round, none lost"
    )
    doubled = """
        SELECT input_id, model_id FROM predictions GROUP BY 1, 2 HAVING count(*) > 1
    """
    assert machine.rows(doubled) == []
    performed = """
        SELECT count(p.id)
        FROM inputs i LEFT JOIN predictions p ON p.input_id = i.id
        WHERE i.performed_at IS NOT NULL
        GROUP BY i.id ORDER BY i.id
    """
    assert {count for (count,) in machine.rows(performed)[2:]} == {3}
    machine.wait_for(
        "SELECT 1 FROM scores HAVING count(*) >= 3 AND "
        "count(*) = count(DISTINCT (prediction_id, scoring_version))",
        timeout_s=60,
    )
