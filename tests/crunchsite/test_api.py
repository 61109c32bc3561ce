"""What all endpoints have in common, and the system's own."""

import re
import tomllib

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from rest_framework.exceptions import ErrorDetail, ValidationError

from competitions.models import Competition
from crunchsite import readiness
from crunchsite.api import refuse
from crunchsite.settings.env import BASE_DIR
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

LISTS = [
    "/reports/leaderboard",
    "/reports/models",
    "/reports/predictions",
    "/reports/snapshots",
    "/reports/checkpoints",
    "/reports/checkpoints/rewards",
]
OBJECTS = [
    "/reports/schema",
    "/reports/rules",
    "/reports/schema/leaderboard-columns",
    "/reports/schema/metrics-widgets",
    "/reports/checkpoints/latest",
    "/reports/checkpoints/latest/prizes",
    "/reports/emissions/latest",
]
OF_CHECKPOINT = ["payload", "emission", "emission/cli-format", "prizes"]
OPEN = ["/healthz", "/readyz", "/info"]


def reads(world) -> list[str]:
    one = f"/reports/checkpoints/{world.checkpoints[0]}"
    return [*LISTS, *OBJECTS, *(f"{one}/{part}" for part in OF_CHECKPOINT)]


def test_every_read_answers_with_and_without_slash_and_under_api(
    client, world, workers_alive
):
    for path in [*reads(world), *OPEN, "/schema", "/docs"]:
        for spelling in (path, f"{path}/", f"/api{path}"):
            assert client.get(spelling).status_code == 200, spelling


def test_lists_are_empty_without_a_competition(client, db, frozen_clock):
    for path in LISTS:
        response = client.get(path)
        assert (response.status_code, response.json()) == (200, []), path


def test_an_unknown_competition_is_refused_by_every_read(client, world):
    for path in [*LISTS, *OBJECTS, "/info"]:
        response = client.get(path, {"competition": "nope"})
        assert response.status_code == 404, path
        assert response.json() == {
            "detail": "competition was 'nope'; there is none with that name.",
            "code": "competition_not_found",
        }


def test_without_a_slug_the_first_active_competition_answers(client, world):
    factories.competition("a-later-one")
    assert client.get("/info").json() == {
        "crunch_id": "btc-demo",
        "crunch_address": "CRUNCHxMINT",
        "network": "devnet",
    }
    assert client.get("/info?competition=a-later-one").json()["crunch_id"] == (
        "a-later-one"
    )


def test_reads_are_open_unless_api_read_auth(
    client, world, operator, settings, workers_alive
):
    settings.ENV = settings.ENV.model_copy(update={"api_read_auth": True})
    known = Client()
    known.force_login(operator)
    for path in reads(world):
        assert client.get(path).status_code == 401, path
        assert client.get(path).json()["code"] == "not_authenticated"
        assert known.get(path).status_code == 200, path
    for path in OPEN:
        assert client.get(path).status_code == 200, path


def test_limits_have_a_maximum(client, world):
    for path in LISTS:
        response = client.get(path, {"limit": 1_000_000})
        assert response.status_code == 422, path
        assert response.json()["code"] == "max_value"
        assert response.json()["detail"].startswith("limit: ")


def test_a_made_up_cursor_is_refused(client, world):
    for path in LISTS:
        for cursor in ("nonsense", "W10=", "WzEsIngiXQ=="):
            response = client.get(path, {"cursor": cursor})
            assert response.status_code == 422, (path, cursor)
            assert response.json()["code"] == "cursor_invalid"


def test_nested_problems_become_one_sentence_with_its_path():
    error = ValidationError({"scope": {"subject": [ErrorDetail("Too long.", "max")]}})
    assert refuse(error, {}).data == {
        "detail": "scope: subject: Too long.",
        "code": "max",
    }


def test_healthz_asks_nothing(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    version = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]
    assert response.json() == {"status": "ok", "version": version["version"]}


def test_readyz_says_what_is_wrong_and_what_to_do(
    admin_client, monkeypatch, workers_alive
):
    assert admin_client.get("/readyz").json() == {
        "status": "ready",
        "problems": {},
        "failing_callables": [],
        "missing_endpoints": {},
        "log_problems": [],
    }
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    response = admin_client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    assert list(response.json()["problems"]) == ["redis"]
    assert "start Valkey or correct REDIS_URL" in response.json()["problems"]["redis"]


def test_readyz_names_migrations_that_are_not_applied(admin_client, workers_alive):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'emissions'")
    assert list(admin_client.get("/readyz").json()["problems"]) == ["migrations"]


@pytest.mark.parametrize("part", ["beat", "worker"])
def test_readyz_is_not_ready_without_a_worker_or_beat(
    admin_client, workers_alive, part
):
    cache.delete({"beat": "heartbeat:beat", "worker": "heartbeat:models"}[part])
    response = admin_client.get("/readyz")
    assert response.status_code == 503
    assert list(response.json()["problems"]) == [part]


def test_readyz_tells_strangers_only_whether(client, db, workers_alive):
    assert client.get("/readyz").json() == {"status": "ready"}
    cache.delete("heartbeat:beat")
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "not ready"})


def test_a_database_that_is_down_is_a_problem_not_an_error(monkeypatch):
    class Down:
        def cursor(self):
            from django.db import OperationalError

            raise OperationalError("connection refused\nmore")

    monkeypatch.setattr(readiness, "connection", Down())
    assert readiness.database_problem() == (
        "connection refused; start PostgreSQL or correct DATABASE_URL."
    )


def test_the_schema_says_that_reads_are_open_and_writes_are_not(client):
    paths = client.get("/openapi.json").json()["paths"]
    needs_login = {
        (method, path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if operation["security"] and {} not in operation["security"]
    }
    assert len(needs_login) >= 5
    assert {method for method, _ in needs_login} <= {"post", "patch", "put", "delete"}
    assert {} in paths["/reports/leaderboard"]["get"]["security"]


@pytest.mark.parametrize(
    ("path", "shown_by"), [("/docs", "swagger-ui"), ("/redoc", "redoc.standalone.js")]
)
def test_the_docs_need_no_other_host(client, path, shown_by):
    page = client.get(path).content.decode()
    assert shown_by in page
    assert "http://" not in page
    assert "https://" not in page


def test_statements_do_not_grow_with_the_rows(client, frozen_clock):
    """Twice the models, the same statements."""
    counts = []
    for slug, models in (("small", 2), ("large", 5)):
        factories.running_competition(
            at=frozen_clock, models=models, hours=2, slug=slug
        )
        counts.append(
            {path: _statements(client, f"{path}?competition={slug}") for path in LISTS}
        )
    assert counts[0] == counts[1]
    assert max(counts[1].values()) <= 4


def _statements(client, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


def test_a_paused_competition_goes_on_to_be_shown(client, world):
    Competition.objects.update(status=Competition.Status.PAUSED)
    assert len(client.get("/reports/leaderboard").json()) == 6
    assert client.get("/info").json()["crunch_id"] == "btc-demo"
    active = factories.competition("active-one")
    assert client.get("/info").json()["crunch_id"] == active.slug
    Competition.objects.update(status=Competition.Status.DRAFT)
    assert client.get("/reports/leaderboard").json() == []


def test_each_write_names_the_permission_that_it_needs(client):
    """A write without one would be nobody's, not even a superuser's."""
    needed = {
        f"{method} {path}": getattr(view_of(path), "write_permission", None)
        for path, operations in client.get("/openapi.json").json()["paths"].items()
        for method in operations
        if method != "get"
    }
    checkpoint = "/reports/checkpoints/{checkpoint_id}"
    assert (
        needed.items()
        >= {
            f"post {checkpoint}/confirm": "emissions.settle_checkpoint",
            f"post {checkpoint}/transaction": "emissions.settle_checkpoint",
            f"patch {checkpoint}/status": "emissions.settle_checkpoint",
            "post /reports/backfill": "feeds.start_backfilljob",
            "post /reports/backfill/jobs/{job_id}/cancel": "feeds.cancel_backfilljob",
        }.items()
    )
    open_ = {name for name, permission in needed.items() if permission is None}
    assert open_ == {"post /log/witnesses"}  # a cosignature says itself whose it is


def view_of(path: str):
    found = resolve(re.sub(r"{\w+}", "x", path)).func
    return getattr(found, "view_class", getattr(found, "cls", None))
