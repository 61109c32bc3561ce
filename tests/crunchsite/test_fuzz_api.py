"""schemathesis asks each operation; every answer is as the schema says."""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from scoring.api import tournament
from tests import factories
from tests.fakes.requests import FULL

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.timeout(600),  # thousands of requests, on a busy machine too
]

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
BOUNDED = settings(
    max_examples=40 if FULL else 4,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def world(db, tape, frozen_clock):
    return factories.running_competition(at=frozen_clock, models=2, hours=1)


@pytest.fixture(autouse=True)
def one_connection():
    """A request would close the connection that the test's transaction is in."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    """No worker runs that would ask the models."""
    monkeypatch.setattr(tournament, "WAIT_S", 0.0)


@pytest.fixture
def operations(world):
    schema = schemathesis.openapi.from_wsgi("/openapi.json", get_wsgi_application())
    return [found.ok() for found in schema.get_all_operations()]


@pytest.fixture
def sessions(operator):
    """Headers of an operator who may do all, and of nobody."""
    client = Client()
    client.force_login(operator)
    token = "a" * 32
    cookies = f"sessionid={client.cookies['sessionid'].value}; csrftoken={token}"
    plain = {
        "Accept-Encoding": "identity"
    }  # schemathesis reads WSGI's bytes as they are
    return [plain, {**plain, "Cookie": cookies, "X-CSRFToken": token}]


def test_every_answer_is_as_the_schema_says(operations, sessions, world):
    known = {
        "model_id": "m1",
        "checkpoint_id": str(world.checkpoints[0]),
        "job_id": "6f1f0b3e-0000-4000-8000-000000000000",
    }
    assert len(operations) > 30
    for operation in operations:

        @BOUNDED
        @given(case=operation.as_strategy())
        def holds(case):
            for headers in sessions:
                ask(case, headers)
            case.path_parameters = {
                name: known.get(name, value)
                for name, value in case.path_parameters.items()
            }
            ask(case, sessions[-1])

        holds()


LINKED = ("/reports/models", "/reports/checkpoints", "/reports/backfill/jobs")
WALKS = settings(BOUNDED, max_examples=80 if FULL else 20, stateful_step_count=6)


def test_links_of_lists_lead_to_what_their_rows_name(world, sessions):
    """From each list a walk along the schema's links, which must reach something."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", get_wsgi_application())
    reads = schema.include(path_regex=f"^({'|'.join(LINKED)})", method="GET")
    reached = set()

    class Walk(reads.as_state_machine()):
        def get_call_kwargs(self, case):
            return {"headers": sessions[-1]}

        def validate_response(self, response, case, **_):
            case.validate_response(response, checks=CHECKS)
            assert response.status_code < 500
            if response.status_code == 200 and case.path_parameters:
                reached.add(case.path.partition("/{")[0])

    run_state_machine_as_test(Walk, settings=WALKS)
    assert reached >= {"/reports/models", "/reports/checkpoints"}


def ask(case, headers: dict[str, str]) -> None:
    response = case.call(headers=headers)
    case.validate_response(response, checks=CHECKS)
    # No worker runs beside a test, and it says so.
    assert response.status_code < 500 or case.path == "/readyz"
