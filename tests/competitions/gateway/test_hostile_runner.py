"""A runner that lies costs its own model an answer, and nobody else theirs."""

import threading
import time

import grpc
import pytest
from model_runner_client.grpc.generated.commons_pb2 import Status, Variant
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import (
    CallResponse,
    SetupResponse,
)

from tests.competitions.gateway.conftest import ask, wait_for, wait_live
from tests.fakes.hostile_runner import WELL, HostileRunner

FORGETFUL = CallResponse(status=Status(code="FAILED_PRECONDITION"))


@pytest.fixture
def hostile(stage, tmp_path):
    runner = HostileRunner(tmp_path / "hostile.sock")
    stage.add("steady")
    stage.orchestrator.announce("hostile", address=runner.socket)
    yield runner
    runner.stop()


@pytest.fixture
def gateway(stage, hostile):
    gateway = stage.gateway()
    wait_live(gateway, "steady", "hostile")
    return gateway


def answer_of(gateway):
    answers = ask(gateway, ["steady", "hostile"])
    assert answers["steady"].outcome == "ANSWERED"
    return answers["hostile"]


def saying(**fields):
    return CallResponse(
        status=WELL, methodResponse=Variant(**{"type": 6, "value": b"", **fields})
    )


@pytest.mark.parametrize(
    "response",
    [
        CallResponse(),
        CallResponse(status=Status(code="SURPRISE", message="boo \0 boo")),
        CallResponse(status=Status(code="MODEL_FAILED", message="x" * 1_000_000)),
        CallResponse(status=WELL),
        saying(type=99, value=b"?"),
        saying(type=4, value=b"not parquet"),
        saying(type=5, value=b"not arrow"),
        saying(type=1, value=b"short"),
        saying(type=1, value=b"\xff" * 8),
        saying(type=2, value=b""),
        saying(type=2, value=b"\x01" * 5_000),
        saying(type=3, value=b"\xff\xfe"),
        saying(value=b"NaN"),
        saying(value=b"[" * 100_000),
        saying(value=b"1" * 5_000),
        saying(value=b'"\\ud800"'),
    ],
)
def test_a_senseless_response_fails_alone(hostile, gateway, response):
    hostile.on_call = lambda *_: response

    answer = answer_of(gateway)

    assert answer.outcome == "FAILED" or answer.result in (None, 0)
    assert "\0" not in answer.reason
    assert len(answer.reason) <= 2_000


@pytest.mark.parametrize("code", [c for c in grpc.StatusCode if c.value[0]])
def test_any_transport_code_fails_alone(hostile, gateway, code):
    hostile.on_call = lambda request, context: context.abort(code, "so there")

    assert answer_of(gateway).outcome in ("FAILED", "ABSENT")
    assert "steady" in gateway.live()


@pytest.mark.parametrize(
    "on_setup",
    [
        lambda request, context: SetupResponse(status=Status(code="INVALID_ARGUMENT")),
        lambda request, context: SetupResponse(status=Status(code="SURPRISE")),
        lambda request, context: SetupResponse(),
        lambda request, context: context.abort(grpc.StatusCode.INTERNAL, "no"),
        lambda request, context: SetupResponse(status=WELL),
        lambda request, context: time.sleep(2) or SetupResponse(status=WELL),
    ],
)
def test_a_heal_that_goes_wrong_fails_alone(hostile, gateway, on_setup):
    hostile.on_call = lambda *_: FORGETFUL
    hostile.on_setup = on_setup

    started = time.monotonic()
    assert answer_of(gateway).outcome in ("FAILED", "ABSENT")
    assert time.monotonic() - started < 1.5


def test_withdrawn_while_it_heals_is_absent_at_once(stage, hostile):
    gateway = stage.gateway(timeout_s=5)
    wait_live(gateway, "steady", "hostile")
    hostile.on_call = lambda *_: FORGETFUL
    hostile.on_setup = lambda *_: time.sleep(2) or SetupResponse(status=WELL)

    threading.Timer(0.3, stage.orchestrator.withdraw, ["hostile"]).start()
    started = time.monotonic()
    answer = answer_of(gateway)

    assert time.monotonic() - started < 1.5
    assert answer.outcome == "ABSENT"
    assert "it was stopped while it was asked" in answer.reason
    assert stage.orchestrator.reports == []


def test_a_model_that_never_remembers_its_setup_is_reported(stage, hostile):
    gateway = stage.gateway(max_consecutive_timeouts=2)
    wait_live(gateway, "steady", "hostile")
    hostile.on_call = lambda *_: FORGETFUL

    wait_for(lambda: answer_of(gateway) and stage.orchestrator.reports)

    (report,) = stage.orchestrator.reports
    assert report["failure_code"] == "MULTIPLE_TIMEOUT"
    assert "it restarted and was not ready" in report["failure_reason"]
