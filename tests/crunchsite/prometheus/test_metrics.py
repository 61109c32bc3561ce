"""Gauges for monitoring, and the alert rules and charts that use them."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from competitions.models import Competition, Round
from core.facts import Fact, FactKind, announce
from crunchsite.events import outbox
from crunchsite.events.models import Webhook
from crunchsite.events.webhooks import give_secret
from crunchsite.keys.issuing import create_key
from crunchsite.prometheus import exposition, sections
from tests import factories
from tests.conftest import NOW

ROOT = Path(__file__).resolve().parents[3]
MONITORING = ROOT / "docs" / "operator" / "monitoring"
pytestmark = pytest.mark.django_db(databases=["default", "tape"])


@pytest.fixture(autouse=True)
def fresh():
    exposition.forget()
    yield
    exposition.forget()


@pytest.fixture
def world(db, tape, frozen_clock, workers_alive, fresh_feed):
    made = factories.running_competition(at=NOW, models=6, hours=6)
    webhook = Webhook(name="bot", url="https://bot.example")
    give_secret(webhook)
    webhook.save()
    announce(Fact(FactKind.FEED_STALE))
    outbox.number_events()
    from feeds.models import FeedSubscription

    FeedSubscription.objects.create(
        source="simulated", subject="BTCUSDT", granularity="1m", created_at=NOW
    )
    return made


def read(client) -> dict[tuple, float]:
    """Value by name and labels."""
    exposition.forget()
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


@pytest.fixture
def watcher(operator):
    client = Client()
    client.force_login(operator)
    return client


def test_figures_are_those_of_the_rows(world, watcher):
    late = Round.objects.filter(status="RECEIVED").order_by("-slot_at").first()
    late.resolvable_at = NOW - timedelta(seconds=40)
    late.slot_at = late.performed_at = NOW - timedelta(seconds=100)
    late.save()
    figures = read(watcher)
    of = "btc-demo"
    assert figures["crunchsite_rounds_to_score", of] == 1
    assert figures["crunchsite_scoring_lag_seconds", of] == 40
    assert figures["crunchsite_rounds_to_ask", of] == 0
    assert figures["crunchsite_rounds_to_ask_age_seconds", of] == 0
    assert figures["crunchsite_board_age_seconds", of] == 0
    assert figures["crunchsite_checkpoints", "PENDING", of] == 1
    assert figures["crunchsite_checkpoint_pending_age_seconds", of] >= 0
    assert figures["crunchsite_models", "RUNNING", of] == 4
    assert figures["crunchsite_models_failing", of] == 1
    assert figures["crunchsite_gateway_owned", of] == 0
    assert figures["crunchsite_feed_stale", "simulated:BTCUSDT:candle:1m"] == 0
    assert figures["crunchsite_webhook_backlog", "bot"] == 1
    assert figures["crunchsite_events_untold",] == 0
    assert figures["crunchsite_heartbeat_age_seconds", "beat"] < 60
    assert ("crunchsite_queue_depth", "models") in figures
    failed = {k: v for k, v in figures.items() if k[0] == "crunchsite_scrape_failed"}
    assert len(failed) == 7
    assert set(failed.values()) == {0}


def test_lateness_is_of_the_newest_rounds(world, watcher):
    figures = read(watcher)
    assert figures["crunchsite_slot_lateness_seconds", "btc-demo", "max"] == (
        pytest.approx(0.18)
    )


def test_statements_do_not_depend_on_the_number_of_competitions(world, watcher):
    counts = []
    for slug in (None, "second", "third"):
        if slug:
            factories.running_competition(at=NOW, models=3, hours=1, slug=slug)
        exposition.forget()
        with CaptureQueriesContext(connection) as queries:
            exposition.exposition()
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2] <= 20


def test_a_reading_is_shared_for_some_seconds(world, watcher):
    watcher.get("/metrics")
    with CaptureQueriesContext(connection) as queries:
        exposition.exposition()
    assert len(queries) == 0


def test_a_draft_has_no_series(world, watcher):
    Competition.objects.update(status="DRAFT")
    assert not [key for key in read(watcher) if "btc-demo" in key]


def test_labels_are_bounded(world, watcher, monkeypatch):
    monkeypatch.setattr(sections, "MOST_LABELS", 1)
    factories.running_competition(at=NOW, models=1, hours=1, slug="second")
    assert not [key for key in read(watcher) if "second" in key]


def test_a_part_that_cannot_be_read_costs_its_own_figures_alone(
    world, watcher, settings
):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    figures = read(watcher)
    assert figures["crunchsite_scrape_failed", "queues"] == 1
    assert figures["crunchsite_scrape_failed", "rounds"] == 0
    assert figures["crunchsite_rounds_to_ask", "btc-demo"] == 0


def test_who_reads_is_known_and_may_see_the_whole_site(world, settings):
    told = Client().get("/metrics")
    assert told.status_code == 401
    assert told.json()["code"] == "not_authenticated"
    _, reader = create_key(name="prometheus", scopes=["read"])
    _, bound = create_key(name="bot", scopes=["read"], competition=world.competition)
    for token, status in ((reader, 200), (bound, 403), ("csk_none", 401)):
        headers = {"Authorization": f"Bearer {token}"}
        assert Client(headers=headers).get("/metrics").status_code == status, token
    settings.ENV = settings.ENV.model_copy(
        update={"metrics_open": True, "api_read_auth": True}
    )
    accepted = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    assert Client(headers=accepted).get("/metrics").status_code == 200


def names_in(text: str) -> set[str]:
    return set(re.findall(r"crunchsite_\w+", text))


def test_each_figure_that_a_chart_or_a_rule_names_exists(world, watcher):
    read(watcher)
    told = exposition.exposition().decode()
    known = set(re.findall(r"^# HELP (\w+) ", told, re.MULTILINE))
    board = json.loads((MONITORING / "dashboard.json").read_text())
    shown = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in names_in(target["expr"])
    }
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]
    alarmed = {name for rule in rules["rules"] for name in names_in(rule["expr"])}
    assert shown - known == set()
    assert alarmed - known == set()
    page = (ROOT / "docs" / "operator" / "monitoring.md").read_text()
    for name in known:
        assert f"`{name.removeprefix('crunchsite_')}`" in page, name
    assert known - shown == {"crunchsite_scrape_failed"}


def test_each_alarm_has_its_line_in_the_runbook():
    runbook = (ROOT / "docs" / "operator" / "monitoring.md").read_text()
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]
    for rule in rules["rules"]:
        name = rule["alert"]
        assert f"| `{name}` |" in runbook, name
        assert rule["annotations"]["runbook"] == f"docs/operator/monitoring.md#{name}"
