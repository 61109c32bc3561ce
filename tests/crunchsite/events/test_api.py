"""Programs follow what happens, page by page, and lose nothing."""

import pytest

from core.facts import Fact, FactKind, announce
from crunchsite.events import outbox
from crunchsite.events.models import Event
from tests import factories

pytestmark = pytest.mark.django_db
URL = "/api/v1/events"


@pytest.fixture
def told(frozen_clock):
    """Create six events: two of a competition, two of a draft, two of the site."""
    shown = factories.competition()
    draft = factories.competition("hush", status="DRAFT", activated_at=None)
    for name in ("one", "two"):
        announce(
            Fact(FactKind.ROUND_SCORED, shown.pk, {"name": name}),
            Fact(FactKind.RULE_CHANGED, draft.pk, {"name": name}),
            Fact(FactKind.FEED_STALE, None, {"name": name}),
        )
    outbox.number_events()
    return list(Event.objects.published().values_list("number", flat=True))


def kinds_of(answer) -> list[str]:
    return [event["type"] for event in answer.json()["events"]]


def test_pages_follow_each_other_and_end(client, told):
    seen, after = [], 0
    while page := client.get(URL, {"after": after, "limit": 3}).json():
        if not page["events"]:
            break
        seen += [event["id"] for event in page["events"]]
        after = page["after"]
    first, _, third, fourth, _, sixth = told
    assert seen == [first, third, fourth, sixth]
    assert page == {
        "events": [],
        "after": sixth,
        "oldest": first,
        "newest": sixth,
    }


def test_an_event_shows_what_happened(client, told):
    (event,) = client.get(URL, {"limit": 1}).json()["events"]
    assert event == {
        "id": told[0],
        "type": "round.scored",
        "timestamp": "2026-03-02T12:00:00Z",
        "competition": "btc-demo",
        "data": {"name": "one"},
    }


def test_filters_by_competition_and_kinds(client, told, operator):
    of = {"competition": "btc-demo"}
    assert kinds_of(client.get(URL, of)) == ["round.scored"] * 2
    assert kinds_of(client.get(URL, {"kinds": "feed.stale,rule.changed"})) == (
        ["feed.stale"] * 2
    )
    assert client.get(URL, {"competition": "hush"}).status_code == 404
    client.force_login(operator)
    assert kinds_of(client.get(URL, {"competition": "hush"})) == ["rule.changed"] * 2
    assert len(kinds_of(client.get(URL))) == 6


def test_without_events_there_is_nothing_yet(client):
    page = client.get(URL, {"after": 5}).json()
    assert page == {"events": [], "after": 5, "oldest": None, "newest": None}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"after": "-1"}, "after"),
        ({"after": 2**63}, "after"),
        ({"after": "x"}, "after"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"kinds": "round.scored,nope"}, "kinds"),
        ({"competition": "a b"}, "competition"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(client, query, name):
    answer = client.get(URL, query)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(name)


def test_statements_do_not_depend_on_the_number(
    client, told, django_assert_num_queries
):
    with django_assert_num_queries(2):
        client.get(URL)
    with django_assert_num_queries(3):
        client.get(URL, {"competition": "btc-demo"})


def test_the_schema_names_it_with_an_example(client):
    paths = client.get("/openapi.json").json()["paths"]
    content = paths["/api/v1/events"]["get"]["responses"]["200"]["content"]
    (example,) = content["application/json"]["examples"].values()
    assert example["value"]["events"][0]["type"] == "competition.activated"
