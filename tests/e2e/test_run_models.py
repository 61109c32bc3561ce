"""`manage.py run_models` asks the rounds; Celery does all the rest."""

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

MODEL = """
from tracker import TrackerBase


class Attentive(TrackerBase):
    heard = 0

    def feed_update(self, data):
        self.heard += 1

    def predict(self, *args):
        return {"value": 1.0, "heard": self.heard}
"""
ALL_BUT_MODELS = "feeds,scoring,emissions,livepool,default"
END_ALL_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def test_rounds_are_asked_without_a_worker_for_models(machine):
    machine.worker("rest@%h", "-Q", ALL_BUT_MODELS)
    daemon = machine.run("manage.py", "run_models")
    machine.wait_for(answered_rounds(since=0, count=4), timeout_s=90)
    ((newest,),) = machine.rows("SELECT max(id) FROM inputs")
    machine.rows(END_ALL_SESSIONS)  # as when the database server is restarted
    machine.wait_for(answered_rounds(since=newest, count=4), timeout_s=60)
    daemon.terminate()
    assert daemon.wait(60) == 0

    per_round = """
        SELECT DISTINCT count(p.id), count(DISTINCT p.model_id)
        FROM inputs i LEFT JOIN predictions p ON p.input_id = i.id
        WHERE i.performed_at IS NOT NULL
        GROUP BY i.id
    """
    assert machine.rows(per_round) == [(3, 3)]
    least_heard_between_rounds = """
        SELECT min(step) FROM (
            SELECT heard - lag(heard) OVER (
                PARTITION BY model_id ORDER BY input_id
            ) AS step
            FROM predictions, LATERAL (
                SELECT (inference_output_jsonb->>'heard')::int AS heard
            ) AS answer
        ) AS steps
    """
    ((least,),) = machine.rows(least_heard_between_rounds)
    assert least >= 1, "the same models are shown new data before each question"
    machine.wait_for("SELECT 1 FROM scores HAVING count(*) >= 3", timeout_s=60)


def answered_rounds(*, since: int, count: int) -> str:
    """A row once `count` rounds after the round `since` have all models' answers."""
    return f"""
        SELECT 1 FROM (
            SELECT 1 FROM predictions
            WHERE input_id > {since} AND outcome = 'ANSWERED'
            GROUP BY input_id HAVING count(*) = 3
        ) AS answered
        HAVING count(*) >= {count}
    """
