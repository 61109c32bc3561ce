"""The schema as people read it: committed, clean, tagged, with examples that fit."""

import json
import re

import pytest
from django.conf import settings
from django.core.management import call_command
from jsonschema import Draft4Validator

from crunchsite.openapi import EXAMPLES, Generator
from crunchsite.settings.api_texts import TAGS

COMMITTED = settings.BASE_DIR / "docs" / "integrator" / "openapi.json"


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """As `make openapi` writes it; fails where drf-spectacular warns."""
    file = tmp_path_factory.mktemp("schema") / "openapi.json"
    call_command(
        "spectacular",
        format="openapi-json",
        validate=True,
        fail_on_warn=True,
        file=str(file),
    )
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def operations(schema):
    return {
        f"{method.upper()} {path}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def test_the_committed_schema_is_what_the_code_says(schema):
    committed = json.loads(COMMITTED.read_text())
    differing = {
        name
        for part in ("paths", "schemas")
        for one, other in ((parts(schema, part), parts(committed, part)),)
        for name in one.keys() | other.keys()
        if one.get(name) != other.get(name)
    }
    told = "run `make openapi` and commit docs/integrator/openapi.json"
    assert not differing, f"{told}: it is behind in {sorted(differing)}"
    assert schema == committed, told


def parts(schema, name):
    return schema["paths"] if name == "paths" else schema["components"][name]


def test_the_schema_has_each_address_once(schema):
    assert {"/reports/leaderboard", "/api/v1/events"} <= schema["paths"].keys()
    assert not [path for path in schema["paths"] if re.match("/api/(?!v1/)", path)]


def test_each_operation_has_a_tag_a_name_and_a_description(schema, operations):
    tags = {tag["name"] for tag in TAGS}
    assert schema["tags"] == TAGS
    assert len(schema["info"]["description"]) > 500
    for name, operation in operations.items():
        [tag] = operation["tags"]
        assert tag in tags, name
        assert 5 < len(operation["summary"]) <= 80, name
        assert operation["description"], name


def test_what_is_open_to_all_shows_no_padlock(operations):
    without = {name for name, each in operations.items() if not each["security"]}
    signed = {"GET /log/witnesses", "POST /log/witnesses"}  # each line by its key
    assert without == {"GET /healthz", "GET /readyz", "GET /info"} | signed
    ways = operations["POST /reports/backfill"]["security"]
    assert ways == [{"bearer": []}, {"apiKey": []}, {"cookieAuth": []}]


def test_a_change_of_who_may_read_makes_another_schema(settings):
    ways = []
    for is_closed in (True, False):
        update = {"api_read_auth": is_closed}
        settings.ENV = settings.ENV.model_copy(update=update)
        found = Generator().get_schema(public=True)
        ways.append(found["paths"]["/reports/leaderboard"]["get"]["security"])
    keyed = [{"bearer": []}, {"apiKey": []}, {"cookieAuth": []}]
    assert ways == [keyed, [*keyed, {}]]


def test_each_example_of_an_answer_fits_its_schema(schema, operations):
    shown = set()
    for name, operation in operations.items():
        for status, answer in operation["responses"].items():
            content = answer.get("content", {}).get("application/json", {})
            for example in content.get("examples", {}).values():
                shape = {**content["schema"], "components": schema["components"]}
                check = Draft4Validator(nullable(shape))
                problems = [e.message for e in check.iter_errors(example["value"])]
                assert problems == [], (name, status)
                shown.add(name)
    assert shown >= json.loads(EXAMPLES.read_text()).keys()


def nullable(part):
    """OpenAPI 3.0 writes `nullable: true` for what JSON Schema calls a type."""
    if isinstance(part, list):
        return [nullable(each) for each in part]
    if not isinstance(part, dict):
        return part
    plain = {name: nullable(each) for name, each in part.items() if name != "nullable"}
    return (
        {"anyOf": [{"type": "null"}, plain]} if part.get("nullable") is True else plain
    )


def test_each_read_of_json_has_an_example(operations):
    lacking = {
        name
        for name, operation in operations.items()
        if name.startswith("GET ")
        and "application/json" in operation["responses"]["200"].get("content", {})
        and "examples"
        not in operation["responses"]["200"]["content"]["application/json"]
    }
    assert lacking == set()
