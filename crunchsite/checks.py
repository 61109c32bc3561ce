"""System checks of conditions that involve several settings."""

from collections.abc import Sequence
from typing import Any

from celery import current_app
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from crunchsite import custom, factories
from crunchsite.celery import QUEUES
from crunchsite.settings.env_names import given_names, unread_names


@register("celery")
def celery_times(**_: Any) -> list[CheckMessage]:
    """Check that no task outlives the visibility timeout, or it runs twice."""
    soft, hard = settings.CELERY_TASK_SOFT_TIME_LIMIT, settings.CELERY_TASK_TIME_LIMIT
    visibility = settings.VISIBILITY_TIMEOUT_S
    if soft < hard < visibility:
        return []
    return [
        Error(
            f"time limits were soft {soft} s, hard {hard} s, visibility {visibility} s",
            hint="Keep soft < hard < visibility timeout.",
            id="crunchsite.E001",
        )
    ]


@register("celery")
def celery_schedule(**_: Any) -> Sequence[CheckMessage]:
    """Check that each entry of the schedule names an existing task and queue."""
    current_app.autodiscover_tasks(force=True)
    return [
        Error(
            f"the schedule names the task {entry['task']!r}, which does not exist",
            hint="Correct beat_schedule in crunchsite/celery.py.",
            id="crunchsite.E002",
        )
        for entry in current_app.conf.beat_schedule.values()
        if entry["task"] not in current_app.tasks
    ] + [
        Error(
            f"tasks {pattern} are routed to the unknown queue {route['queue']!r}",
            hint=f"Use one of {', '.join(QUEUES)}.",
            id="crunchsite.E003",
        )
        for pattern, route in current_app.conf.task_routes.items()
        if route["queue"] not in QUEUES
    ]


@register(Tags.database, databases=["default"])
def postgresql_version(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Check for PostgreSQL 15 or newer (`manage.py check --database default`)."""
    from django.db import connection

    if not databases or connection.pg_version >= 150_000:  # type: ignore[attr-defined]
        return []
    return [
        Error(
            f"PostgreSQL was {connection.pg_version // 10_000}",  # type: ignore[attr-defined]
            hint="Use PostgreSQL 15 or newer.",
            id="crunchsite.E004",
        )
    ]


@register("environment")
def unread_variables(**_: Any) -> list[CheckMessage]:
    """Warn of a variable that looks like one of ours and has no effect."""
    return [
        checks.Warning(
            f"the variable {name} is not read", hint=advice, id="crunchsite.W001"
        )
        for name, advice in unread_names(given_names()).items()
    ]


@register("custom")
def custom_endpoints(**_: Any) -> list[CheckMessage]:
    """Warn of the operator's own endpoints that could not be mounted."""
    return [
        checks.Warning(
            f"the endpoints of {source} cannot be mounted: {problem}",
            hint="Correct the file and start the site again.",
            id="crunchsite.W002",
        )
        for source, problem in custom.loaded().problems.items()
    ]


@register("services")
def service_factories(**_: Any) -> list[CheckMessage]:
    """Warn of factories that are refused: workers, the web and `up` do not start."""
    return [
        checks.Warning(str(error), hint="Correct the variable.", id="crunchsite.W003")
        for error in factories.refused()
    ]
