"""docs/integrator/events.md: its programs run, and it names every type there is."""

import json
import re
from pathlib import Path

import pytest
import requests
from django.db import transaction

from core.facts import Fact, FactKind, announce
from crunchsite.events import delivering, outbox, secrets
from crunchsite.events.models import Webhook
from crunchsite.events.webhooks import give_secret, replay
from tests.crunchsite.events.conftest import (
    loopback_allowed as loopback_allowed,  # noqa: PLC0414  a fixture
)
from tests.serving import serving

PAGE = (
    Path(__file__).resolve().parents[2] / "docs" / "integrator" / "events.md"
).read_text()


def program(name: str) -> dict:
    """The names that a program of the page defines."""
    found = re.search(rf"`{re.escape(name)}`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict = {"__name__": name}
    exec(found[1], names)
    return names


def test_the_page_names_each_type_and_no_other():
    rows = re.findall(r"^\| (`[a-z]+\..*?) \|", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w.]+)`", row)}
    assert named == set(FactKind.values)


def test_its_example_is_an_event():
    (text,) = re.findall(r'```json\n(\{"id".*?)```', PAGE, re.DOTALL)
    assert json.loads(text)["type"] in FactKind.values


@pytest.mark.django_db
def test_the_program_that_asks_gets_each_event_once(live_server_like, frozen_clock):
    follow = program("follow.py")["follow"]
    announce(*(Fact(FactKind.FEED_STALE, payload={"feed": str(i)}) for i in range(250)))
    outbox.number_events()
    events = follow("http://site", 0, wait_s=0)
    assert [next(events)["data"]["feed"] for _ in range(250)] == [
        str(i) for i in range(250)
    ]


@pytest.fixture
def live_server_like(client, monkeypatch):
    """Requests go to the site through Django's test client."""

    class Answer:
        def __init__(self, answer):
            self.json, self.status = answer.json, answer.status_code

        def raise_for_status(self):
            assert self.status == 200

    def get(url, *, params, timeout):
        return Answer(client.get(url.removeprefix("http://site"), params))

    monkeypatch.setattr(requests, "get", get)


@pytest.mark.django_db
def test_the_program_that_is_told_takes_each_event_once(loopback_allowed):
    taken = []
    webhook = Webhook(name="docs")
    secret = give_secret(webhook)

    class Mine(program("receiver.py")["Receiver"]):
        had: set[str] = set()

        def take(self, event):
            taken.append(event)

        def log_message(self, *_):
            pass

    Mine.secret = secret
    with serving(Mine) as server:
        webhook.url = server.url
        webhook.save()
        with transaction.atomic():
            announce(Fact(FactKind.FEED_STALE, payload={"feed": "f"}))
        outbox.number_events()
        for _ in range(2):
            delivering.claim(1)
            assert delivering.take_turn(webhook.pk) == 1
            (delivery,) = webhook.deliveries.all()
            assert delivery.last_status == 204
            replay(deliveries=[delivery.pk], user=type("Nobody", (), {"pk": None}))
        assert [event["type"] for event in taken] == ["feed.stale"]
        Mine.secret = secrets.make_secret()  # not the webhook's
        delivering.claim(1)
        delivering.take_turn(webhook.pk)
        delivery.refresh_from_db()
        assert delivery.last_error == "answered 401"
