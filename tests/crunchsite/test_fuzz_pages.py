"""Every address of the URLconf meets nasty requests: none fails.

The cases are made from the URLconf, so a new address is fuzzed without a line here.
"""

import re
from collections.abc import Iterator
from itertools import count
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver

from crunchsite.edge import is_admin, is_api
from tests import factories
from tests.fakes.requests import (
    ANY,
    BODIES,
    CONTENT_TYPES,
    CURSORS,
    HEADERS,
    IN_PATHS,
    INSTANTS,
    NUMBERS,
    shared,
)

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.timeout(600),  # thousands of requests, on a busy machine too
]

METHODS = ["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO"]
OF_PAGES = [
    {"name": "competition", "schema": {}},
    {"name": "after", "schema": {"type": "integer"}},
    {"name": "cursor", "schema": {}},
    {"name": "feed", "schema": {}},
]


def addresses(entries=None, prefix: str = "") -> Iterator[str]:
    """Each address as a template: `/reports/models/{model_id}/ranks`."""
    for entry in get_resolver().url_patterns if entries is None else entries:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            named = re.sub(r"\(\?P<(\w+)>[^()]*\)|<(?:\w+:)?(\w+)>", r"{\1\2}", route)
            plain = re.sub(r"/\?|[\^$]", "", named)
            yield "/" + re.sub(r"\\(.)", r"\1", plain)
        else:
            yield from addresses(entry.url_patterns, route)


# The aliases below /api/ are the same views.
ALL = sorted({path for path in addresses() if not path.startswith("/api/")})
API = [path for path in ALL if is_api(path)]
PAGES = [path for path in ALL if not is_api(path) and not is_admin(path)]
ADMIN = [path for path in ALL if is_admin(path) and "logout" not in path]


@pytest.fixture
def world(db, frozen_clock):
    return factories.running_competition(at=frozen_clock, models=2, hours=1)


@pytest.fixture
def client(world, operator, tape):
    """An operator whose client reports a failure as the answer 500."""
    client = Client(raise_request_exception=False)
    client.force_login(operator)
    return client


@pytest.fixture
def known(world) -> dict[str, str]:
    """For each parameter of a path a value that there is, or could be."""
    return {
        "model_id": "m1",
        "checkpoint_id": str(world.checkpoints[0]),
        "version": "2026-01-31-fresh",
        "name": "summary.json",
        "object_id": "1",
    }


def filled(path: str, values: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda m: quote(values.get(m[1], "x"), safe=""), path)


def problem_of(path: str, response) -> str | None:
    """What is wrong with an answer; None when it is as it must be."""
    if response.status_code >= 500 and not path.startswith("/readyz"):
        return f"{response.status_code}"
    kind = response.get("Content-Type", "")
    if is_api(path) and 400 <= response.status_code < 500:
        if not kind.startswith("application/json"):
            return f"{response.status_code} {kind}"
        if response.content and set(response.json()) != {
            "detail",
            "code",
        }:
            return f"{response.status_code} {response.content[:200]}"
    return None


def problems(client, asked) -> dict[str, str]:
    """Ask `(path, method, options)`; which answers are wrong, and how."""
    found = {}
    for path, method, options in asked:
        response = client.generic(method, path, **options)
        if problem := problem_of(path, response):
            found[f"{method} {path[:150]} {str(options)[:150]}"] = problem
    return found


def test_the_cases_cover_the_site():
    assert {"/reports/leaderboard", "/reports/models/{model_id}/ranks"} <= set(API)
    assert {"/", "/models/{model_id}", "/livepool"} <= set(PAGES)
    assert "/admin/auth/user/{object_id}/change/" in ADMIN
    assert not any("(" in path or "<" in path for path in ALL if is_api(path))


@pytest.mark.parametrize("where", [API, PAGES, ADMIN], ids=["api", "pages", "admin"])
def test_any_value_in_a_path(client, known, where):
    asked = []
    for i, path in enumerate(where):
        for name in re.findall(r"{(\w+)}", path):
            for value in shared(IN_PATHS, i):
                here = path.replace(f"{{{name}}}", quote(value, safe="%"))
                asked.append((filled(here, known), "GET", {}))
    assert asked
    assert problems(client, asked) == {}


def values_for(name: str, schema: dict[str, str]) -> list[str]:
    if name == "cursor":
        return ANY + CURSORS
    if schema.get("format") == "date-time":
        return ANY + INSTANTS
    return ANY + NUMBERS if schema.get("type") == "integer" else ANY


@pytest.mark.parametrize("where", [API, PAGES], ids=["api", "pages"])
def test_any_value_in_a_parameter(client, known, where):
    schema = client.get("/openapi.json").json()["paths"]
    asked, askers = [], count()
    for path in where:
        operation = schema.get(path, {}).get("get", {})
        for parameter in operation.get("parameters", OF_PAGES):
            name = parameter["name"]
            for value in shared(values_for(name, parameter["schema"]), next(askers)):
                url = f"{filled(path, known)}?{name}={value}"
                asked.append((url, "GET", {}))
    assert problems(client, asked) == {}


@pytest.mark.parametrize("where", [API, PAGES], ids=["api", "pages"])
def test_any_method_header_and_body(client, known, where):
    asked = []
    for i, path in enumerate(where):
        here = filled(path, known)
        asked += [(here, method, {}) for method in METHODS]
        asked += [(here, "GET", headers) for headers in shared(HEADERS, i)]
    assert problems(client, asked) == {}


def test_any_body_of_a_write(client, known):
    schema = client.get("/openapi.json").json()["paths"]
    asked, askers = [], count()
    for path, operations in schema.items():
        for method in sorted({"post", "put", "patch", "delete"} & set(operations)):
            here, asker = filled(path, known), next(askers)
            for body in shared(BODIES, asker):
                options = {"data": body, "content_type": "application/json"}
                asked.append((here, method.upper(), options))
            for kind in shared(CONTENT_TYPES, asker):
                options = {"data": b'{"a": 1}', "content_type": kind}
                asked.append((here, method.upper(), options))
    assert len(asked) > 100
    assert problems(client, asked) == {}


def test_unknown_addresses_below_the_apis_answer_json(client):
    for path in ("/reports/nope", "/api/x", "/data/", "/livepool/x", "/schema/x/y"):
        response = client.get(path)
        assert response.status_code == 404, path
        assert response.json() == {
            "detail": f"Not Found: GET {path}; /schema lists what can be asked.",
            "code": "not_found",
        }
    page = client.get("/nowhere")
    assert page.status_code == 404
    assert "There is nothing here" in page.content.decode()


@pytest.mark.parametrize("path", ["/log/%0A", "/livepool/%0A", "/data/%0A"])
def test_a_line_break_in_an_address_of_the_api_answers_json_too(client, path):
    response = client.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
