"""Requests that another one overtakes, and pages that cannot do what was asked."""

import threading
from unittest.mock import patch

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connections, transaction
from django.test import Client
from kombu.exceptions import OperationalError

from competitions.models import Competition, ScheduledPrediction
from crunchsite.events import webhooks
from crunchsite.events.models import Webhook
from crunchsite.keys.issuing import create_key
from crunchsite.not_done import refusal_of
from feeds.models import BackfillJob
from tests import factories
from tests.waiting import is_waited_for, wait_for

HOOKS = "/api/v1/webhooks"
HOOK = {"name": "payouts", "url": "https://bot.example.org/x"}
FEED = {
    "source": "simulated",
    "subject": "BTCUSDT",
    "kind": "candle",
    "granularity": "1m",
}


def hook():
    webhook = Webhook(**HOOK)
    webhooks.give_secret(webhook)
    webhook.save()
    return webhook


def overtaken(first, ask):
    """Ask while what `first` does is not committed yet; return the answer."""
    answers = []

    def run():
        try:
            answers.append(ask())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        first()
        thread.start()
        wait_for(lambda: is_waited_for() or not thread.is_alive())
    thread.join(60)
    return answers[0]


@pytest.fixture
def admin(transactional_db, frozen_clock):
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("olga", password="secret"))
    return client


@pytest.fixture
def program(transactional_db, frozen_clock):
    client = Client(raise_request_exception=False)
    client.defaults["HTTP_X_API_KEY"] = create_key(name="bot", scopes=["admin"])[1]
    return lambda method, path, body="": client.generic(
        method, path, body, content_type="application/json"
    )


whole = pytest.mark.django_db(transaction=True, databases=["default", "tape"])


@whole
def test_of_two_webhooks_of_one_name_the_second_is_a_conflict(program):
    body = '{"name": "payouts", "url": "https://bot.example.org/x"}'
    answer = overtaken(hook, lambda: program("POST", HOOKS, body))
    assert answer.status_code == 409
    assert answer.json()["code"] == "overtaken"


@whole
@pytest.mark.parametrize(
    ("act", "body"),
    [
        ("switch", '{"active": false, "reason": "it moves"}'),
        ("rotate-secret", '{"reason": "it was in a log"}'),
    ],
)
def test_what_is_deleted_meanwhile_is_not_found(program, act, body):
    webhook = hook()
    path = f"{HOOKS}/{webhook.pk}/{act}"
    answer = overtaken(webhook.delete, lambda: program("POST", path, body))
    assert answer.status_code == 404
    assert answer.json()["code"] == "gone"


@whole
@pytest.mark.parametrize(
    ("path", "first", "body"),
    [
        ("events/webhook", hook, HOOK),
        (
            "auth/user",
            lambda: User.objects.create_user("nina"),
            {
                "username": "nina",
                "usable_password": "true",
                "password1": "Zx81-Zx81",
                "password2": "Zx81-Zx81",
            },
        ),
        (
            "feeds/feedsubscription",
            lambda: factories.subscription(**FEED),
            {**FEED, "fallbacks": "[]", "poll_s": "5", "backfill_minutes": "60"},
        ),
    ],
)
def test_a_form_that_another_one_overtook_is_a_page_that_says_so(
    admin, path, first, body
):
    answer = overtaken(first, lambda: admin.post(f"/admin/{path}/add/", body))
    assert answer.status_code == 409
    assert "Somebody else has just written" in answer.content.decode()


@whole
def test_of_two_who_delete_a_webhook_one_has_done_it(program):
    webhook = hook()
    path = f"{HOOKS}/{webhook.pk}"
    answer = overtaken(webhook.delete, lambda: program("DELETE", path))
    assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found")
    assert not LogEntry.objects.filter(change_message="Deleted.").exists()


@whole
def test_a_form_that_what_is_stored_refuses_says_why(admin, tape):
    """The code of an active competition was taken away; a schedule is changed."""
    call_command("create_competition", "btc", activate=True)
    Competition.objects.update(config_path="competitions.moon:X")
    scheduled = ScheduledPrediction.objects.get()
    path = f"/admin/competitions/scheduledprediction/{scheduled.pk}/change/"
    form = admin.get(path).context["adminform"].form
    body = {name: form[name].value() for name in form.fields} | {"order": 7}
    page = admin.post(path, {k: v for k, v in body.items() if v is not None})
    assert page.status_code == 503
    assert "contract competitions.moon:X could not be loaded" in page.content.decode()
    assert ScheduledPrediction.objects.get().order == 0


@whole
def test_a_job_that_no_worker_is_told_of_is_there_and_the_answer_says_so(program):
    body = (
        '{"source": "simulated", "subject": "BTCUSDT", "start": "2026-03-02T10:00:00Z",'
        ' "end": "2026-03-02T11:00:00Z"}'
    )
    with patch("celery.app.base.Celery.send_task", side_effect=OperationalError("no")):
        answer = program("POST", "/reports/backfill", body)
    assert (answer.status_code, answer.json()["code"]) == (503, "broker_down")
    assert BackfillJob.objects.get().status == "pending"


@pytest.mark.django_db(databases=["default", "tape"])
def test_what_the_code_does_wrong_stays_a_fault():
    """A column that must not be empty depends on no other request."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        Webhook.objects.create(**HOOK)
    assert refusal_of(caught.value) is None
    assert refusal_of(ValueError("x")) is None
