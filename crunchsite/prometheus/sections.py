"""Read the gauges section by section, each in a constant number of statements.

Labels are bounded: competitions that are not drafts, feeds, webhooks and queues, each
up to MOST_LABELS; no model, round or cruncher has a series of its own.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import connection
from django.db.models import Count, Min, Q
from prometheus_client.core import GaugeMetricFamily as Gauge

from competitions.gateway_pool.ownership import lock_number
from competitions.models import (
    CallableFailure,
    Competition,
    ParticipantModel,
    Prediction,
    Round,
)
from core import clock, heartbeats
from crunchsite.celery import QUEUES
from crunchsite.events.models import Event, Webhook
from emissions.models import Checkpoint
from feeds.health import health
from scoring.models import Leaderboard

MOST_LABELS = 200
RECENT = timedelta(minutes=15)
PROBE_TIMEOUT_S = 3
_LATENESS = """
    SELECT competition_id,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY late),
        max(late)
    FROM (
        SELECT competition_id,
            extract(epoch FROM performed_at - slot_at)::float8 AS late
        FROM inputs
        WHERE competition_id = ANY(%s) AND slot_at > %s AND slot_at <= %s
            AND performed_at IS NOT NULL
    ) AS asked
    GROUP BY competition_id
"""
_LOCKS = """
    SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
        -- All databases of the server are in there, also another site's.
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
Names = dict[int, str]


def shown_competitions() -> Names:
    """Return the slugs of competitions that have gauges, by key."""
    shown = Competition.objects.shown().values_list("pk", "slug")
    return dict(shown[:MOST_LABELS])


def rounds(names: Names, now: datetime) -> Iterator[Gauge]:
    """Yield gauges of the newest rounds: how late models were asked, and outcomes."""
    lateness = Gauge(
        "crunchsite_slot_lateness_seconds",
        "From the slot to when the models were asked, rounds of the last 15 minutes.",
        labels=["competition", "stat"],
    )
    with connection.cursor() as cursor:
        cursor.execute(_LATENESS, [list(names), now - RECENT, now])
        for pk, p95, most in cursor.fetchall():
            lateness.add_metric([names[pk], "p95"], p95)
            lateness.add_metric([names[pk], "max"], most)
    yield lateness
    recent = Round.objects.filter(
        competition__in=names, slot_at__gt=now - RECENT, slot_at__lte=now
    ).order_by()
    yield _counts(
        "crunchsite_recent_rounds",
        "Rounds of the last 15 minutes, by status.",
        ["competition", "status"],
        recent.values_list("competition", "status").annotate(Count("pk")),
        names,
    )
    yield _counts(
        "crunchsite_recent_predictions",
        "Models' predictions in the rounds of the last 15 minutes, by outcome.",
        ["competition", "outcome"],
        Prediction.objects.filter(
            round__in=recent.values("pk"), model__is_virtual=False
        )
        .order_by()
        .values_list("round__competition", "outcome")
        .annotate(Count("pk")),
        names,
    )


def waiting_rounds(names: Names, now: datetime) -> Iterator[Gauge]:
    """Yield gauges of rounds that wait for models or for scores; 0 if none waits."""
    to_ask = Q(performed_at__isnull=True, slot_at__lte=now)
    to_score = Q(performed_at__isnull=False, resolvable_at__lte=now)
    found = {
        pk: rest
        for pk, *rest in Round.objects.filter(competition__in=names, status="RECEIVED")
        .order_by()
        .values_list("competition")
        .annotate(
            ask=Count("pk", filter=to_ask),
            ask_since=Min("slot_at", filter=to_ask),
            score=Count("pk", filter=to_score),
            score_since=Min("resolvable_at", filter=to_score),
        )
    }
    gauges = [
        _of_competition("crunchsite_rounds_to_ask", "Rounds that wait for the models."),
        _of_competition(
            "crunchsite_rounds_to_ask_age_seconds", "How long the oldest has waited."
        ),
        _of_competition("crunchsite_rounds_to_score", "Rounds due for their scores."),
        _of_competition(
            "crunchsite_scoring_lag_seconds", "How long the oldest has been due."
        ),
    ]
    for pk, slug in names.items():
        ask, ask_since, score, score_since = found.get(pk, (0, None, 0, None))
        values = [ask, _age(ask_since, now), score, _age(score_since, now)]
        for gauge, value in zip(gauges, values, strict=True):
            gauge.add_metric([slug], value)
    yield from gauges


def standings(names: Names, now: datetime) -> Iterator[Gauge]:
    """Yield gauges of the boards' ages, and of checkpoints that are not paid."""
    boards = Leaderboard.objects.filter(competition__in=names, is_newest=True)
    age = _of_competition("crunchsite_board_age_seconds", "Age of the newest board.")
    for pk, as_of in boards.values_list("competition", "as_of"):
        age.add_metric([names[pk]], _age(as_of, now))
    yield age
    open_ones = Checkpoint.objects.filter(competition__in=names).exclude(status="PAID")
    pending = _of_competition(
        "crunchsite_checkpoint_pending_age_seconds",
        "How long the oldest checkpoint has waited for its transaction.",
    )
    by_status = Gauge(
        "crunchsite_checkpoints",
        "Checkpoints that are not paid yet, by status.",
        labels=["competition", "status"],
    )
    for pk, status, count, since in (
        open_ones.order_by()
        .values_list("competition", "status")
        .annotate(Count("pk"), Min("created_at"))
    ):
        by_status.add_metric([names[pk], status], count)
        if status == "PENDING":
            pending.add_metric([names[pk]], _age(since, now))
    yield from (by_status, pending)


def models(names: Names, _now: datetime) -> Iterator[Gauge]:
    """Yield gauges of models, of the gateways' owners, and of failing callables."""
    roster = ParticipantModel.objects.real().filter(competition__in=names).order_by()
    yield _counts(
        "crunchsite_models",
        "Participants' models, by state.",
        ["competition", "state"],
        roster.values_list("competition", "state").annotate(Count("pk")),
        names,
    )
    failing = roster.exclude(state="STOPPED").filter(first_error_at__isnull=False)
    yield _counts(
        "crunchsite_models_failing",
        "Models that are asked and fail.",
        ["competition"],
        failing.values_list("competition").annotate(Count("pk")),
        names,
    )
    yield _counts(
        "crunchsite_callables_failing",
        "Callables of the operator that fail.",
        ["competition"],
        CallableFailure.objects.filter(competition__in=names)
        .order_by()
        .values_list("competition")
        .annotate(Count("pk")),
        names,
    )
    owned = _of_competition(
        "crunchsite_gateway_owned", "1 while a worker owns the competition's gateway."
    )
    with connection.cursor() as cursor:
        cursor.execute(_LOCKS)
        held = {number for (number,) in cursor.fetchall()}
    for slug in names.values():
        owned.add_metric([slug], float(lock_number(slug) in held))
    yield owned


def feeds(_names: Names, now: datetime) -> Iterator[Gauge]:
    """Yield gauges of the feeds' freshness."""
    gauges = [
        Gauge(f"crunchsite_feed_{name}", help_text, labels=["feed"])
        for name, help_text in (
            ("age_seconds", "Since the newest closed record."),
            (
                "lag_seconds",
                "The part of that age that the feed's own interval does not explain.",
            ),
            ("stale", "1 when it is older than it should be."),
            ("failures", "Pulls in a row that failed."),
        )
    ]
    for row in health(now=now)[:MOST_LABELS]:
        values = [
            row.age_s,
            row.lag_s,
            float(row.is_stale),
            row.subscription.consecutive_errors,
        ]
        for gauge, value in zip(gauges, values, strict=True):
            if value is not None:
                gauge.add_metric([str(row.subscription)], value)
    yield from gauges


def events(names: Names, _now: datetime) -> Iterator[Gauge]:
    """Yield gauges of unpublished events and of waiting deliveries."""
    unpublished = Event.objects.filter(number=None).count()
    yield Gauge(
        "crunchsite_events_unpublished", "Events without a number yet.", unpublished
    )
    wall = clock.wall_now()
    gauges = [
        Gauge(f"crunchsite_webhook_{name}", help_text, labels=["webhook"])
        for name, help_text in (
            ("backlog", "Deliveries that have not ended."),
            ("backlog_age_seconds", "How long the oldest of them has been due."),
            ("failures", "Attempts in a row that failed."),
        )
    ]
    waiting = Q(deliveries__next_at__isnull=False)
    named = Q(competition=None) | Q(competition__in=names)
    for name, failures, backlog, since in (
        Webhook.objects.filter(named, active=True)
        .annotate(
            backlog=Count("deliveries", filter=waiting),
            since=Min("deliveries__next_at", filter=waiting),
        )
        .order_by("pk")
        .values_list("name", "failures", "backlog", "since")[:MOST_LABELS]
    ):
        values = [backlog, max(0.0, _age(since, wall)), failures]
        for gauge, value in zip(gauges, values, strict=True):
            gauge.add_metric([name], value)
    yield from gauges


def queues(_names: Names, _now: datetime) -> Iterator[Gauge]:
    """Yield gauges of the workers' heartbeats and of the queues' lengths."""
    age = Gauge(
        "crunchsite_heartbeat_age_seconds",
        "Since the last heartbeat of Beat, or of a worker of the queue.",
        labels=["of"],
    )
    for name, seconds in heartbeats.ages([heartbeats.BEAT, *QUEUES]).items():
        age.add_metric([name], seconds)
    yield age
    depth = Gauge(
        "crunchsite_queue_depth", "Tasks that wait in the queue.", labels=["queue"]
    )
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=PROBE_TIMEOUT_S
    ) as client:
        asked = client.pipeline(transaction=False)
        for queue in QUEUES:
            asked.llen(f"{prefix}{queue}")
        for queue, length in zip(QUEUES, asked.execute(), strict=True):
            depth.add_metric([queue], length)
    yield depth


def _of_competition(name: str, help_text: str) -> Gauge:
    return Gauge(name, help_text, labels=["competition"])


def _counts(
    name: str, help_text: str, labels: list[str], rows: Any, names: Names
) -> Gauge:
    """Return a gauge of rows (competition, ..., count)."""
    gauge = Gauge(name, help_text, labels=labels)
    for pk, *rest, count in rows:
        gauge.add_metric([names[pk], *rest], count)
    return gauge


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else (now - since).total_seconds()
