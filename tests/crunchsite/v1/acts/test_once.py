"""`Idempotency-Key`: an act is done once, however often and however close it comes."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from django.contrib.admin.models import LogEntry
from django.db import connection, connections

from competitions import lifecycle
from competitions.models import Competition
from core import clock
from crunchsite.keys.models import ApiKey
from crunchsite.v1.acts import once
from crunchsite.v1.acts.models import Answer

WHY = {"reason": "maintenance"}
PAUSE = "competitions/btc-demo/pause"


@pytest.fixture
def pauses(monkeypatch):
    """How often the service was called."""
    calls, service = [], lifecycle.pause

    def counting(**of):
        calls.append(of)
        return service(**of)

    monkeypatch.setattr("crunchsite.operator.actions.pause", counting)
    return calls


@pytest.mark.django_db(databases=["default", "tape"])
def test_what_comes_again_is_not_done_again_and_answered_as_before(
    operator, world, pauses
):
    first = operator.post(PAUSE, WHY, once="a-1")
    again = operator.post(PAUSE, WHY, once="a-1")
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert len(pauses) == 1


@pytest.mark.django_db(databases=["default", "tape"])
def test_spaces_and_order_in_the_body_mean_nothing(operator, world):
    body = '{"start":"2026-03-02T10:00Z","end":"2026-03-02T11:00Z","reason":"r"}'
    other = '{"end":"2026-03-02T11:00Z", "reason":"r","start": "2026-03-02T10:00Z" }'
    first = operator.post("competitions/btc-demo/void", body, once="a-1")
    again = operator.post("competitions/btc-demo/void", other, once="a-1")
    assert first.status_code == 200, first.json()
    assert first.json() == again.json()
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(databases=["default", "tape"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PAUSE, {"reason": "another"}),
        ("competitions/btc-demo/end", WHY),
        (f"{PAUSE}?x=1", WHY),
    ],
)
def test_another_request_with_the_same_key_is_refused(operator, world, path, body):
    operator.post(PAUSE, WHY, once="a-1")
    answer = operator.post(path, body, once="a-1")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert Competition.objects.get().ending_at is None


@pytest.mark.django_db(databases=["default", "tape"])
def test_a_key_is_its_holder_s(program, world, pauses):
    one, two = program("write:operate"), program("write:operate")
    assert one.post(PAUSE, WHY, once="a-1").status_code == 200
    answer = two.post(PAUSE, WHY, once="a-1")
    assert (answer.status_code, answer.json()["code"]) == (409, "definition_incomplete")
    assert len(pauses) == 2


@pytest.mark.django_db(databases=["default", "tape"])
def test_a_refusal_is_not_kept(operator, world):
    Competition.objects.update(status="DRAFT", activated_at=None)
    assert operator.post(PAUSE, WHY, once="a-1").status_code == 409
    Competition.objects.update(status="ACTIVE", activated_at=clock.now())
    assert operator.post(PAUSE, WHY, once="a-1").status_code == 200
    assert operator.post(PAUSE, {}, once="a-2").status_code == 422
    assert Answer.objects.count() == 1


@pytest.mark.django_db(databases=["default", "tape"])
@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 201])
def test_what_is_no_key_is_refused(operator, world, key):
    answer = operator.client.post(
        f"/api/v1/{PAUSE}",
        WHY,
        content_type="application/json",
        headers={**operator.headers, "Idempotency-Key": key},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_invalid")
    assert Competition.objects.get().status == "ACTIVE"


@pytest.mark.django_db(databases=["default", "tape"])
def test_strangers_leave_nothing(client, program, world):
    headers = {"Idempotency-Key": "a-1"}
    assert client.post(f"/api/v1/{PAUSE}", WHY, headers=headers).status_code == 401
    assert program("read").post(PAUSE, WHY, once="a-1").status_code == 403
    assert not Answer.objects.exists()


@pytest.mark.django_db(databases=["default", "tape"])
def test_an_answer_is_kept_for_a_day(operator, world, monkeypatch):
    operator.post(PAUSE, WHY, once="a-1")
    operator.post("competitions/btc-demo/end", WHY, once="a-2")
    day = clock.wall_now() - timedelta(hours=24)
    Answer.objects.filter(key="a-1").update(created_at=day)
    Answer.objects.filter(key="a-2").update(created_at=day + timedelta(minutes=5))
    # Over, although it was not deleted yet: it is done anew.
    assert operator.post(PAUSE, WHY, once="a-1").status_code == 409
    monkeypatch.setattr(once, "A_STEP", 1)
    assert once.prune() == 0, "the newest is a day old itself"
    hours = timedelta(hours=1)
    Answer.objects.filter(key="a-1").update(created_at=day - 2 * hours)
    Answer.objects.filter(key="a-2").update(created_at=clock.wall_now() - hours)
    assert once.prune() == 1
    assert [each.key for each in Answer.objects.all()] == ["a-2"]


@pytest.mark.django_db(databases=["default", "tape"])
def test_a_clock_that_is_ahead_deletes_no_answer(operator, world, monkeypatch):
    operator.post(PAUSE, WHY, once="a-1")
    ahead = clock.wall_now() + timedelta(days=30)
    with monkeypatch.context() as patch:
        patch.setattr(clock, "wall_now", lambda: ahead)
        once.prune()
    again = operator.post(PAUSE, WHY, once="a-1")
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(databases=["default", "tape"])
def test_deletion_ends_after_its_steps(operator, world, monkeypatch):
    for i, age_h in enumerate([27, 27, 27, 27, 27, 1]):
        Answer.objects.create(
            holder_id=LogEntry.objects.latest("pk").user_id or 1,
            key=str(i),
            digest="",
            status=200,
            body="",
            created_at=clock.wall_now() - timedelta(hours=age_h),
        )
    monkeypatch.setattr(once, "A_STEP", 2)
    monkeypatch.setattr(once, "MOST_STEPS", 2)
    assert once.prune() == 4
    assert once.prune() == 1


@pytest.mark.django_db(databases=["default", "tape"])
def test_what_is_kept_can_be_read_with_the_site_s_key_alone(operator, world):
    operator.post(PAUSE, WHY, once="a-1")
    assert "paused" not in Answer.objects.get().body


whole = pytest.mark.django_db(transaction=True, databases=["default", "tape"])


@whole
def test_of_two_at_once_one_is_done(operator, world, monkeypatch):
    """The second comes while the first is in the midst of the act."""
    inside, go_on = threading.Event(), threading.Event()
    calls, service = [], lifecycle.pause

    def slow(**of):
        calls.append(of)
        done = service(**of)
        inside.set()
        assert go_on.wait(60)
        return done

    monkeypatch.setattr("crunchsite.operator.actions.pause", slow)

    def ask():
        try:
            return operator.post(PAUSE, WHY, once="a-1")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask)
        assert inside.wait(60)
        second = operator.post(PAUSE, WHY, once="a-1")
        go_on.set()
        assert first.result(60).status_code == 200
    told = second.json()["code"]
    assert (second.status_code, told) == (409, "idempotency_in_progress")
    third = operator.post(PAUSE, WHY, once="a-1")
    assert third.json() == first.result().json()
    assert len(calls) == 1


@whole
def test_of_many_at_once_the_act_is_done_once(operator, world, pauses):
    def ask(_):
        try:
            return operator.post(PAUSE, WHY, once="a-1").status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        statuses = set(pool.map(ask, range(12)))
    assert 200 in statuses
    assert statuses <= {200, 409}
    assert len(pauses) == 1


DIES = """
import os, django
django.setup()
from django.contrib.auth.models import User
from django.test import RequestFactory
from rest_framework.request import Request
from rest_framework.parsers import JSONParser
from competitions import lifecycle
from competitions.models import Competition
from crunchsite.v1.acts.once import once

def act():
    lifecycle.pause(competition_id=Competition.objects.get().pk)
    print("paused", flush=True)
    os.kill(os.getpid(), 9)

plain = RequestFactory().post(
    "/api/v1/competitions/btc-demo/pause",
    '{"reason": "maintenance"}',
    content_type="application/json",
    headers={"Idempotency-Key": "a-1"},
)
request = Request(plain, parsers=[JSONParser()])
request.user = User.objects.get(username=os.environ["HOLDER"])
once(request, act)
"""


@whole
def test_a_process_that_dies_in_the_midst_has_done_nothing_and_blocks_nobody(
    operator, world, pauses
):
    entry = connection.settings_dict
    address = sa.engine.make_url("postgresql://").set(
        username=entry["USER"], database=entry["NAME"], query={"host": entry["HOST"]}
    )
    died = subprocess.run(
        [sys.executable, "-c", DIES],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
            "HOLDER": ApiKey.objects.get().account.username,
            "DATABASE_URL": address.render_as_string(),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (died.returncode, died.stdout) == (-9, "paused\n"), died.stderr
    answer = operator.post(PAUSE, WHY, once="a-1")
    assert answer.status_code == 200, answer.json()
    assert len(pauses) == 1
    assert Competition.objects.get().status == "PAUSED"
