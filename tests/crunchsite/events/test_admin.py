"""Operators make webhooks, see what was sent, and send it again."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from core import clock
from core.facts import Fact, FactKind, announce
from crunchsite.events import outbox, secrets
from crunchsite.events.models import Delivery, Webhook
from crunchsite.events.webhooks import give_secret

pytestmark = pytest.mark.django_db
ADD = "admin:events_webhook_add"


@pytest.fixture
def client(client, operator):
    client.force_login(operator)
    return client


@pytest.fixture
def webhook():
    made = Webhook(name="bot", url="https://bot.example/in")
    give_secret(made)
    made.save()
    return made


def test_a_new_webhook_shows_its_secret_in_the_answer_alone(client):
    asked = {"name": "bot", "url": "https://bot.example/in", "active": "on"}
    answer = client.post(reverse(ADD), {**asked, "kinds": ["board.moved"]})
    made = Webhook.objects.get()
    secret = secrets.unseal(made.secret)
    assert secret in answer.content.decode()
    assert made.kinds == ["board.moved"]
    change = reverse("admin:events_webhook_change", args=[made.pk])
    assert secret not in client.get(change).content.decode()
    assert secret not in str(LogEntry.objects.values_list("change_message"))


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ftp://x.example", "https://a b"])
def test_what_is_no_receiver_stands_at_its_field(client, url):
    page = client.post(reverse(ADD), {"name": "bot", "url": url, "active": "on"})
    assert list(page.context["adminform"].form.errors) == ["url"]
    assert not Webhook.objects.exists()


def test_a_secret_is_shown_for_a_reason_that_is_kept(client, webhook):
    url = reverse("admin:webhook-secret", args=[webhook.pk, "show"])
    secret = secrets.unseal(webhook.secret)
    assert secret not in client.get(url).content.decode()
    assert secret not in client.post(url, {"reason": ""}).content.decode()
    assert secret in client.post(url, {"reason": "lost it"}).content.decode()
    (entry,) = LogEntry.objects.all()
    assert entry.get_change_message() == "Secret shown. Reason: lost it"


def test_a_secret_is_rotated(client, webhook):
    url = reverse("admin:webhook-secret", args=[webhook.pk, "rotate"])
    before = webhook.secret
    shown = client.post(url, {"reason": "leak"}).content.decode()
    webhook.refresh_from_db()
    assert secrets.unseal(webhook.secret) in shown
    assert webhook.previous_secret == before
    assert webhook.secrets_at(clock.wall_now()) == [webhook.secret, before]


def test_deliveries_are_a_ledger_with_replay(client, webhook):
    announce(Fact(FactKind.FEED_STALE, payload={"feed": "f"}))
    outbox.number_events()
    now = clock.wall_now()
    Delivery.objects.update(next_at=None, given_up_at=now, last_error="given up: x")
    delivery = Delivery.objects.get()
    url = reverse("admin:events_delivery_changelist")
    assert "given up: x" in client.get(url).content.decode()
    chosen = {"action": "replay", "_selected_action": [delivery.pk]}
    answer = client.post(url, chosen, follow=True)
    assert "1 of 1 deliveries" in answer.content.decode()
    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    assert "Replayed" in str(LogEntry.objects.get())


def test_the_first_page_tells_of_a_receiver_that_fails(client, webhook):
    Webhook.objects.update(failing_since=clock.wall_now(), last_error="answered 500")
    announce(Fact(FactKind.FEED_STALE))
    outbox.number_events()
    page = client.get(reverse("admin:index"))
    (trouble,) = [t for t in page.context["troubles"] if t.where == "Webhook bot"]
    assert trouble.what == "1 event waits for it, and it fails: answered 500."
