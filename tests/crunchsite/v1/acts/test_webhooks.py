"""Webhooks over /api/v1/: a secret is shown once, and deliveries are sent again."""

import pytest
from django.contrib.admin.models import LogEntry

from core.facts import Fact, FactKind, announce
from crunchsite.events import outbox, secrets
from crunchsite.events.models import Delivery, Webhook
from crunchsite.v1.acts.models import Answer
from tests import factories
from tests.conftest import NOW
from tests.crunchsite.events.conftest import (
    loopback_allowed as loopback_allowed,  # noqa: PLC0414  a fixture
)

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
HOOK = {"name": "payouts", "url": "https://bot.example.org/x"}
WHY = {"reason": "it was in a log"}


@pytest.fixture
def made(operator):
    answer = operator.post("webhooks", HOOK, once="w-1")
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_a_secret_is_shown_when_it_is_made_and_never_again(operator, made):
    webhook = Webhook.objects.get()
    assert made["secret"] == secrets.unseal(webhook.secret)
    assert made["secret"] not in Answer.objects.get().body
    for answer in (operator.get("webhooks"), operator.get(f"webhooks/{made['id']}")):
        assert answer.status_code == 200
        assert "secret" not in answer.content.decode()
    again = operator.post("webhooks", HOOK, once="w-1")
    assert again.json() == made  # the answer was lost, and is asked for again
    assert Webhook.objects.count() == 1


def test_a_webhook_is_made_at_the_sites_time(operator, at):
    with at(NOW):
        answer = operator.post("webhooks", HOOK, once="w-1")
    assert answer.json()["created_at"] == "2026-03-02T12:00:00Z"


def test_a_secret_is_rotated(operator, made):
    told = operator.post(f"webhooks/{made['id']}/rotate-secret", WHY).json()
    webhook = Webhook.objects.get()
    assert told["secret"] == secrets.unseal(webhook.secret) != made["secret"]
    assert secrets.unseal(webhook.previous_secret) == made["secret"]
    entry = LogEntry.objects.latest("pk")
    assert entry.change_message == "Secret rotated. Reason: it was in a log"


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        ({"url": "ftp://x.org"}, "url: "),
        ({"url": "https://127.0.0.1/x"}, "url: "),
        ({"url": "https://a:b@x.org"}, "url: "),
        ({"url": "x" * 501}, "url: "),
        ({"url": 7}, "url: "),
        ({"name": ""}, "name: "),
        ({"name": "a\u202eb"}, "name: "),
        ({"kinds": ["moon.rose"]}, "kinds: "),
        ({"kinds": "feed.stale"}, "kinds: "),
        ({"competition": "a b"}, "competition: "),
    ],
)
def test_what_is_no_receiver_is_refused(operator, db, changes, begins):
    answer = operator.post("webhooks", {**HOOK, **changes})
    assert answer.status_code == 422, answer.json()
    assert answer.json()["detail"].startswith(begins), answer.json()
    assert not Webhook.objects.exists()


def test_one_name_is_one_webhook(operator, made):
    answer = operator.post("webhooks", HOOK)
    assert (answer.status_code, answer.json()["code"]) == (422, "unique")


def test_it_rests_and_is_deleted(program, operator, made):
    address = f"webhooks/{made['id']}"
    told = operator.post(f"{address}/switch", {"active": False, **WHY}).json()
    assert told["active"] is False
    assert operator.delete(address).status_code == 403
    assert program("admin").delete(address).status_code == 204
    assert operator.get(address).json()["code"] == "webhook_not_found"


@pytest.fixture
def delivery(made, world):
    announce(Fact(FactKind.FEED_STALE, None, {"feed": "f"}))
    outbox.number_events()
    return Delivery.objects.get()


def test_deliveries_are_listed_and_sent_again(operator, made, delivery, frozen_clock):
    address = f"webhooks/{made['id']}/deliveries"
    (row,) = operator.get(address).json()
    assert (row["type"], row["state"]) == ("feed.stale", "waiting")
    assert operator.get(address, state="delivered").json() == []
    waits = operator.post(f"deliveries/{delivery.pk}/replay")
    assert waits.json() == {"is_replayed": False}
    Delivery.objects.update(next_at=None, given_up_at=frozen_clock)
    assert operator.get(address, state="given up").json()[0]["id"] == delivery.pk
    again = operator.post(f"deliveries/{delivery.pk}/replay")
    assert again.json() == {"is_replayed": True}
    delivery.refresh_from_db()
    assert delivery.state == "waiting"


@pytest.mark.parametrize("number", ["0", "x", "9" * 30, "-1", "²"])
def test_unknown_ones_are_404(operator, db, number):
    for path in (f"webhooks/{number}/rotate-secret", f"deliveries/{number}/replay"):
        answer = operator.post(path, WHY)
        assert answer.status_code == 404, path
        assert answer.json()["code"] in ("webhook_not_found", "delivery_not_found")


def test_a_draft_s_webhook_is_for_who_sees_drafts(program, operator, db):
    factories.competition("hush", status="DRAFT", activated_at=None)
    made = operator.post("webhooks", {**HOOK, "competition": "hush"})
    assert made.json()["competition"] == "hush"
    unknown = operator.post("webhooks", {**HOOK, "competition": "moon"})
    assert (unknown.status_code, unknown.json()["code"]) == (
        404,
        "competition_not_found",
    )


def test_no_key_of_one_competition_comes_here(program, world, made):
    bound = program("write:operate", competition=world.competition)
    assert bound.get("webhooks").status_code == 403
    assert bound.post("webhooks", HOOK).status_code == 403
