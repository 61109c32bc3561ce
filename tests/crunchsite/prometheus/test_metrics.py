"""Gauges for monitoring, and the alert rules and charts that use them."""

import json
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.parser import text_string_to_metric_families

from competitions.gateway_pool.ownership import claim_competition, lock_number
from competitions.models import Competition, ParticipantModel, Prediction, Round
from core import clock
from core.facts import Fact, FactKind, announce
from core.only_one import only_one
from crunchsite.events import outbox
from crunchsite.events.models import Delivery, Webhook
from crunchsite.events.webhooks import give_secret
from crunchsite.keys.issuing import create_key
from crunchsite.prometheus import exposition, sections
from emissions.models import Checkpoint
from scoring.models import Leaderboard
from tests import factories
from tests.conftest import NOW
from tests.patience import WIDE_S

ROOT = Path(__file__).resolve().parents[3]
QUARTER = timedelta(minutes=15)
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
    assert figures["crunchsite_events_unpublished",] == 0
    assert figures["crunchsite_heartbeat_age_seconds", "beat"] < WIDE_S
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


def test_a_gateway_is_owned_by_a_worker_of_this_site(world, watcher):
    """Another site may have a competition of the name on the same server."""
    of = "crunchsite_gateway_owned", "btc-demo"
    foreign = claim_competition("btc-demo", database_url=settings.DATABASE_URL)
    try:
        assert read(watcher)[of] == 0
    finally:
        foreign.release()
    exposition.forget()
    with only_one(lock_number("btc-demo")):
        assert read(watcher)[of] == 1


def test_who_waits_for_a_slow_reading_shares_it(monkeypatch):
    now, readings = [0.0], []

    def slow(names, at):
        now[0] += 10 * exposition.FRESH_S
        readings.append(at)
        yield Gauge("crunchsite_slow", "How slow.", value=1)

    monkeypatch.setattr(exposition, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(exposition, "SECTIONS", (slow,))
    assert exposition.exposition() is exposition.exposition()
    assert len(readings) == 1


def test_a_reading_is_shared_for_some_seconds(world, watcher, monkeypatch):
    monkeypatch.setattr(exposition, "FRESH_S", WIDE_S)
    watcher.get("/metrics")
    with CaptureQueriesContext(connection) as queries:
        exposition.exposition()
    assert len(queries) == 0


def test_a_draft_has_no_series(world, watcher):
    hidden = Webhook(
        name="btc-demo bot", url="https://bot.example", competition=world.competition
    )
    give_secret(hidden)
    hidden.save()
    assert ("crunchsite_webhook_failures", "btc-demo bot") in read(watcher)
    Competition.objects.update(status="DRAFT")
    assert not [key for key in read(watcher) if "btc-demo" in " ".join(key)]


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


@pytest.fixture
def rounds(world):
    """Change the world's newest rounds: `rounds({"slot_at": ...}, ...)`."""
    Round.objects.update(slot_at=F("slot_at") - timedelta(days=1))

    def change(*facts):
        newest = list(Round.objects.order_by("-slot_at", "pk")[: len(facts)])
        for round_, changes in zip(newest, facts, strict=True):
            facts_of_it = {"resolvable_at": NOW + timedelta(days=1), **changes}
            Round.objects.filter(pk=round_.pk).update(**facts_of_it)

    return change


def of_rounds(figures) -> dict[tuple, float]:
    return {
        key: value for key, value in figures.items() if key[0].endswith("recent_rounds")
    }


def test_recent_rounds_are_those_of_15_minutes_without_the_oldest_instant(
    rounds, watcher
):
    ago = timedelta(minutes=15)
    for slots, count in (
        ([NOW - ago], None),
        ([NOW - ago + timedelta.resolution], 1),
        ([NOW, NOW + timedelta.resolution], 1),
    ):
        Round.objects.update(slot_at=F("slot_at") - timedelta(days=1))
        rounds(*({"slot_at": slot, "performed_at": slot} for slot in slots))
        figures = read(watcher)
        assert sum(of_rounds(figures).values()) == (count or 0)
        late = ("crunchsite_slot_lateness_seconds", "btc-demo", "max")
        assert figures.get(late) == (None if count is None else 0)


def test_an_ensemble_hides_no_model_that_fails(world, watcher):
    recent = [r for r in world.rounds if r.performed_at and r.slot_at > NOW - QUARTER]
    Prediction.objects.filter(round__in=recent).update(outcome="FAILED")
    factories.ensemble_answers(world.competition, recent)
    counted = {
        key[1]: value
        for key, value in read(watcher).items()
        if key[0] == "crunchsite_recent_predictions"
    }
    assert counted == {"FAILED": 6}


def test_lateness_is_that_of_95_in_a_hundred_and_the_most(rounds, watcher):
    rounds(
        *(
            {
                "slot_at": NOW - timedelta(seconds=i + 1),
                "performed_at": NOW - timedelta(seconds=i + 1 - i),
            }
            for i in range(21)
        )
    )
    figures = read(watcher)
    of = ("crunchsite_slot_lateness_seconds", "btc-demo")
    assert (figures[*of, "p95"], figures[*of, "max"]) == (19, 20)


def test_rounds_that_wait_are_those_whose_instant_has_come(rounds, watcher):
    soon = NOW + timedelta(seconds=1)
    Round.objects.filter(status="RECEIVED").update(status="VOID")
    waits = {"status": "RECEIVED", "actuals": None}
    rounds(
        {**waits, "performed_at": None, "slot_at": soon, "resolvable_at": None},
        {**waits, "performed_at": None, "slot_at": NOW, "resolvable_at": NOW},
        {
            **waits,
            "performed_at": NOW,
            "slot_at": NOW - timedelta(seconds=1),
            "resolvable_at": soon,
        },
        {
            **waits,
            "performed_at": NOW - timedelta(seconds=9),
            "slot_at": NOW - timedelta(seconds=9),
            "resolvable_at": NOW - timedelta(seconds=9),
        },
    )
    figures = read(watcher)
    told = {
        name: figures[f"crunchsite_{name}", "btc-demo"]
        for name in (
            *("rounds_to_ask", "rounds_to_ask_age_seconds"),
            *("rounds_to_score", "scoring_lag_seconds"),
        )
    }
    assert told == {
        "rounds_to_ask": 1,
        "rounds_to_ask_age_seconds": 0,
        "rounds_to_score": 1,
        "scoring_lag_seconds": 9,
    }


def test_a_checkpoint_counts_until_it_is_paid_and_waits_while_it_is_pending(
    world, watcher
):
    pending = "crunchsite_checkpoint_pending_age_seconds"
    Checkpoint.objects.update(status="SUBMITTED", tx_hash="0x" + "a" * 64)
    figures = read(watcher)
    count = Checkpoint.objects.count()
    assert figures["crunchsite_checkpoints", "SUBMITTED", "btc-demo"] == count > 0
    assert (pending, "btc-demo") not in figures
    Checkpoint.objects.update(status="PAID")
    assert not [key for key in read(watcher) if key[0] == "crunchsite_checkpoints"]


def test_models_that_are_stopped_or_made_by_the_site_do_not_fail(world, watcher):
    failing = ParticipantModel.objects.get(first_error_at__isnull=False)
    ParticipantModel.objects.create(
        competition=world.competition,
        model_id="ensemble",
        name="ensemble",
        is_virtual=True,
        created_at=NOW,
        updated_at=NOW,
    )
    figures = read(watcher)
    total = sum(v for k, v in figures.items() if k[0] == "crunchsite_models")
    assert total == ParticipantModel.objects.real().count()
    failing.state = "STOPPED"
    failing.save()
    assert ("crunchsite_models_failing", "btc-demo") not in read(watcher)


def test_a_webhook_counts_while_it_is_on_by_what_is_due(world, watcher):
    later = clock.wall_now() + timedelta(hours=1)
    Delivery.objects.update(next_at=later)
    figures = read(watcher)
    assert figures["crunchsite_webhook_backlog", "bot"] == 1
    assert figures["crunchsite_webhook_backlog_age_seconds", "bot"] == 0
    Delivery.objects.update(next_at=None, delivered_at=later)
    assert read(watcher)["crunchsite_webhook_backlog", "bot"] == 0
    Webhook.objects.update(active=False)
    assert ("crunchsite_webhook_backlog", "bot") not in read(watcher)


def test_the_board_is_as_old_as_the_newest_one(world, watcher, at):
    newest = Leaderboard.objects.get(is_newest=True)
    for board in Leaderboard.objects.exclude(pk=newest.pk):
        assert board.as_of <= newest.as_of
    with at(NOW + timedelta(seconds=90)):
        figures = read(watcher)
    age = (NOW + timedelta(seconds=90) - newest.as_of).total_seconds()
    assert figures["crunchsite_board_age_seconds", "btc-demo"] == age


def test_a_reading_is_made_again_after_some_seconds(world, watcher, monkeypatch):
    monkeypatch.setattr(exposition, "FRESH_S", -1.0)
    exposition.exposition()
    Competition.objects.update(status="DRAFT")
    assert b"btc-demo" not in exposition.exposition()
