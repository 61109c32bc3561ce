"""Report whether the process is alive, whether the site is ready, and its chain."""

from collections.abc import Callable
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import (
    api_view,
    authentication_classes,
    permission_classes,
)
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from sqlalchemy.exc import SQLAlchemyError

import crunchsite
from competitions.models import CallableFailure
from competitions.reporting import CompetitionQuery, chosen_competition
from core import heartbeats
from core.acts import sees_troubles
from core.requests import read_query
from core.texts import counted
from crunchsite import custom
from crunchsite.celery import QUEUES
from feeds.tape import schema
from proofs.standing import log_troubles

PROBE_TIMEOUT_S = 3


class Health(serializers.Serializer[Any]):
    status = serializers.CharField()
    version = serializers.CharField()


class Readiness(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["ready", "not ready"])
    problems = serializers.DictField(
        child=serializers.CharField(),
        required=False,
        help_text="For operators: part to what is wrong, and the remedy.",
    )
    failing_callables = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="For operators: their own callables that fail; built-in ones"
        " replace them if possible.",
    )
    missing_endpoints = serializers.DictField(
        child=serializers.CharField(),
        required=False,
        help_text="For operators: their own endpoints that could not be mounted,"
        " and why.",
    )
    log_problems = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="For operators: why the site's log is not signed; the site is ready"
        " nevertheless.",
    )


class Info(serializers.Serializer[Any]):
    crunch_id = serializers.CharField(allow_null=True)
    crunch_address = serializers.CharField(allow_null=True)
    network = serializers.CharField()


@extend_schema(responses=Health)
@api_view(["GET"])
@permission_classes([AllowAny])
def healthz(_request: Request) -> Response:
    """Answer that the process is alive; check nothing else."""
    return Response({"status": "ok", "version": crunchsite.__version__})


@extend_schema(responses={200: Readiness, 503: Readiness})
@api_view(["GET"])
@authentication_classes([])  # it would query the database, which may be down
@permission_classes([AllowAny])
def readyz(request: Request) -> Response:
    """Answer whether every part of the site works; name failing ones to operators."""
    found = problems()
    answer: dict[str, Any] = {"status": "not ready" if found else "ready"}
    if _is_told_why(request):
        answer["problems"] = found
        answer["failing_callables"] = _failing_callables()
        answer["missing_endpoints"] = custom.loaded().problems
        answer["log_problems"] = _log_problems()
    return Response(answer, status=503 if found else 200)


def _failing_callables() -> list[str]:
    """Return the operator's failing callables; the site is ready nevertheless."""
    try:
        return [
            f"{failure.competition.slug}: {failure} fails since "
            f"{failure.first_at.isoformat()}, {counted(failure.count, 'time')}: "
            f"{failure.text}"
            for failure in CallableFailure.objects.select_related("competition")
        ]
    except DatabaseError:
        return []


def _log_problems() -> list[str]:
    try:
        return [trouble.what for trouble in log_troubles()]
    except DatabaseError:
        return []


def _is_told_why(request: Request) -> bool:
    try:
        return sees_troubles(get_user(request))
    except DatabaseError:
        return False


def problems() -> dict[str, str]:
    """Map each failing part to its problem and the remedy; empty when all is well."""
    return {part: problem for part, probe in PROBES.items() if (problem := probe())}


@extend_schema(parameters=[CompetitionQuery], responses=Info)
@api_view(["GET"])
@permission_classes([AllowAny])
def info(request: Request) -> Response:
    """Return the competition's name and its address on the chain."""
    competition = chosen_competition(
        read_query(CompetitionQuery, request), request.user
    )
    return Response(
        {
            "crunch_id": competition.slug if competition else None,
            "crunch_address": (competition.crunch_pubkey or None)
            if competition
            else None,
            "network": competition.network if competition else settings.ENV.network,
        }
    )


def database_problem() -> str | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"{_line(error)}; start PostgreSQL or correct DATABASE_URL."
    return None


def redis_problem() -> str | None:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=PROBE_TIMEOUT_S
        ) as client:
            client.ping()
    except redis.RedisError as error:
        return f"{_line(error)}; start Valkey or correct REDIS_URL."
    return None


def migrations_problem() -> str | None:
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        lacking = len(plan) + len(schema.pending())
    except (DatabaseError, SQLAlchemyError) as error:
        return f"{_line(error)}; the databases must be up first."
    if lacking:
        verb = "migration is" if lacking == 1 else "migrations are"
        return f"{lacking} {verb} not applied; run manage.py migrate."
    return None


def beat_problem() -> str | None:
    return _silence_of("beat")


def worker_problem() -> str | None:
    return _silence_of("worker")


def _silence_of(who: str) -> str | None:
    texts = [
        silence.what for silence in heartbeats.silences(QUEUES) if silence.who == who
    ]
    return " ".join(texts) or None


PROBES: dict[str, Callable[[], str | None]] = {
    "database": database_problem,
    "redis": redis_problem,
    "migrations": migrations_problem,
    "beat": beat_problem,
    "worker": worker_problem,
}


def _line(error: Exception) -> str:
    said = str(error).strip().splitlines() or [repr(error)]
    return said[0].rstrip(".")
