"""The Celery application: one queue per kind of work, a static schedule of dispatchers.

Beat only asks "is anything due?"; what is due, and how often, is in rows of the
database. So Beat may fire twice, or a task be delivered twice, without effect.
"""

import gc
import os
import socket
from typing import Any

import structlog
from celery import Celery, signals
from celery.schedules import crontab
from kombu import Queue  # type: ignore[attr-defined]

from core import heartbeats
from crunchsite import correlation  # noqa: F401  importing connects its signals

os.environ.setdefault(  # noqa: TID251  `celery -A crunchsite` configures Django here
    "DJANGO_SETTINGS_MODULE", "crunchsite.settings.dev"
)

log = structlog.get_logger(__name__)

QUEUES = ("feeds", "models", "scoring", "emissions", "livepool", "default")

app = Celery("crunchsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [Queue(name) for name in QUEUES]
app.conf.task_routes = {
    "feeds.*": {"queue": "feeds"},
    "competitions.predict": {"queue": "models"},
    # Beside the orchestrator, whose sockets and folders this queue's worker shares.
    "competitions.submissions": {"queue": "models"},
    "scoring.*": {"queue": "scoring"},
    "emissions.*": {"queue": "emissions"},
    "livepool.*": {"queue": "livepool"},
}
# In memory: intervals are short and the grid is in the database, so a restarted Beat
# has nothing to remember, and two on one machine share no file.
app.conf.beat_scheduler = "crunchsite.beat:SteadyScheduler"
app.conf.beat_max_loop_interval = 1  # seconds: a jump of the clock is seen after one
_every = {
    name: {"task": name, "schedule": every_s, "options": {"expires": max(every_s, 5)}}
    for name, every_s in {
        "competitions.dispatch": 1.0,
        "events.dispatch": 1.0,
        "proofs.dispatch": 1.0,
        "feeds.ingest": 1.0,
        "scoring.dispatch": 2.0,
        "emissions.dispatch": 15.0,
        "proofs.collect": 15.0,
        "emissions.finish_ending": 15.0,
        "competitions.reap": 15.0,
        "competitions.submissions": 15.0,
        "feeds.resume_backfills": 15.0,
        "livepool.publish_first": 15.0,
        "feeds.watch": 60.0,
        "crunchsite.push_log": 60.0,
        "proofs.stamp": 3600.0,
        "feeds.maintain": 3600.0,
        "events.maintain": 3600.0,
        "acts.maintain": 3600.0,
    }.items()
}
# Monthly, three hours into the month; daily checks whether that release, and the
# month's shadow tracks, are missing.
_pool = {
    name: {"task": task, "schedule": when, "options": {"expires": 3600}}
    for name, task, when in (
        (
            "livepool.publish",
            "livepool.publish",
            crontab(day_of_month="1", hour="3", minute="15"),
        ),
        ("livepool.publish.daily", "livepool.publish", crontab(hour="4", minute="15")),
        (
            "livepool.build_shadow",
            "livepool.build_shadow",
            crontab(hour="5", minute="15"),
        ),
    )
}
_signs_of_life = {
    f"crunchsite.heartbeat.{queue}": {
        "task": "crunchsite.heartbeat",
        "schedule": heartbeats.HEARTBEAT_S,
        "args": [queue],
        "options": {"queue": queue, "expires": heartbeats.HEARTBEAT_S},
    }
    for queue in QUEUES
}
# Assigned as a whole: reading it here would load the settings before they can be
# refused.
app.conf.beat_schedule = {**_every, **_pool, **_signs_of_life}
app.autodiscover_tasks()


@signals.before_task_publish.connect(sender="crunchsite.heartbeat")
def give_beats_sign_of_life(routing_key: str, **_: Any) -> None:
    """Write Beat's heartbeat: only Beat sends this task, and this runs there."""
    if routing_key == QUEUES[0]:  # one entry sends for all queues
        heartbeats.give([heartbeats.BEAT], node=socket.gethostname())


@signals.beat_init.connect
@signals.beat_embedded_init.connect
def give_beats_first_sign(**_: Any) -> None:
    give_beats_sign_of_life(routing_key=QUEUES[0])


@signals.worker_ready.connect
def give_workers_first_sign(sender: Any, **_: Any) -> None:
    heartbeats.give(sender.app.amqp.queues.consume_from, node=sender.hostname)


@signals.worker_ready.connect
def say_what_started(sender: Any, **_: Any) -> None:
    """Log a line at INFO for each of the two loops whose queue this worker consumes."""
    queues = sender.app.amqp.queues.consume_from
    for queue, event in (("models", "predict.started"), ("scoring", "score.started")):
        if queue in queues:
            log.info(event)


@signals.worker_init.connect
def spare_the_collector(**_: Any) -> None:
    """Exempt loaded objects from garbage collection.

    They stay for good, and scanning them would now and then stop a round for 100 ms.
    """
    gc.collect()
    gc.freeze()
