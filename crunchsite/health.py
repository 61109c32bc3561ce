"""Is the process alive, is it ready, and which chain does it serve?"""

from collections.abc import Callable
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from sqlalchemy.exc import SQLAlchemyError

import crunchsite
from competitions.reporting import (
    REFUSALS,
    CompetitionQuery,
    chosen_competition,
)
from feeds.paging import read_query
from feeds.tape import schema

PROBE_TIMEOUT_S = 3


class Health(serializers.Serializer[Any]):
    status = serializers.CharField()
    version = serializers.CharField()


class Readiness(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["ready", "not ready"])
    problems = serializers.DictField(
        child=serializers.CharField(),
        help_text="Part to what is wrong, and the remedy.",
    )


class Info(serializers.Serializer[Any]):
    crunch_id = serializers.CharField(allow_null=True)
    crunch_address = serializers.CharField(allow_null=True)
    network = serializers.CharField()


@extend_schema(responses=Health)
@api_view(["GET"])
@permission_classes([AllowAny])
def healthz(_request: Request) -> Response:
    """The process answers; nothing else is asked."""
    return Response({"status": "ok", "version": crunchsite.__version__})


@extend_schema(responses={200: Readiness, 503: Readiness})
@api_view(["GET"])
@permission_classes([AllowAny])
def readyz(_request: Request) -> Response:
    """Database, Redis and both schemas are there; 503 says what is not."""
    problems = {part: problem for part, probe in PROBES.items() if (problem := probe())}
    status = "not ready" if problems else "ready"
    return Response(
        {"status": status, "problems": problems}, status=503 if problems else 200
    )


@extend_schema(parameters=[CompetitionQuery], responses={200: Info, **REFUSALS})
@api_view(["GET"])
@permission_classes([AllowAny])
def info(request: Request) -> Response:
    """The competition's name and its address on the chain."""
    competition = chosen_competition(read_query(CompetitionQuery, request))
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


PROBES: dict[str, Callable[[], str | None]] = {
    "database": database_problem,
    "redis": redis_problem,
    "migrations": migrations_problem,
}


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
