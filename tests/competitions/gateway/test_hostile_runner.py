"""A runner that lies loses its own model's answer, and no other."""

import threading

import grpc
import pytest
from model_runner_client.grpc.generated.commons_pb2 import Status, Variant
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import (
    CallResponse,
    SetupResponse,
)

from tests.competitions.gateway.conftest import LIMIT_S, ask, wait_live
from tests.fakes.hostile_runner import WELL, HostileRunner
from tests.waiting import wait_for

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
    gateway = stage.gateway(timeout_s=LIMIT_S)
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


NO_JSON = "predict: the answer cannot be stored as JSON: "


SENSELESS = [
    (CallResponse(), "predict: "),
    (
        CallResponse(status=Status(code="SURPRISE", message="boo \0 boo")),
        "predict: boo \N{REPLACEMENT CHARACTER} boo",
    ),
    (
        CallResponse(status=Status(code="MODEL_FAILED", message="x" * 1_000_000)),
        "predict: xxx",
    ),
    (saying(type=99, value=b"?"), "predict: the answer was of type unknown"),
    (saying(type=4, value=b"no"), "predict: the answer was of type PARQUET"),
    (saying(type=5, value=b"no"), "predict: the answer was of type ARROW"),
    (saying(type=1, value=b"short"), f"{NO_JSON}unpack requires"),
    (saying(type=1, value=b"\xff" * 8), f"{NO_JSON}Out of range float"),
    (saying(type=2, value=b"\x01" * 5_000), f"{NO_JSON}Exceeds the limit"),
    (saying(type=3, value=b"\xff\xfe"), f"{NO_JSON}'utf-8' codec can't decode"),
    (saying(value=b"NaN"), "predict: the answer is not JSON: NaN is not a number"),
    (
        saying(value=b"1e999"),
        "predict: the answer is not JSON: the number 1e999 is too large",
    ),
    (
        saying(value=b"[" * 10_000),
        "predict: the answer is nested deeper than 32 levels",
    ),
    (
        saying(value=b"[[]" + b",[]" * 5_461 + b"]"),
        "predict: the answer had 16387 bytes; at most 16384 are taken",
    ),
    (
        saying(value=b"1" * 5_000),
        "predict: the answer is not JSON: Exceeds the limit",
    ),
    (saying(value=b'"\\ud800"'), f"{NO_JSON}'utf-8' codec can't encode"),
]


def test_a_senseless_response_fails_alone(hostile, gateway):
    for response, reason in SENSELESS:
        hostile.on_call = lambda *_, response=response: response

        answer = answer_of(gateway)

        assert (answer.outcome, answer.result) == ("FAILED", None), reason
        assert answer.reason.startswith(reason)
        assert "\0" not in answer.reason
        assert len(answer.reason) <= 2_000


@pytest.mark.parametrize(
    ("response", "result"),
    [(CallResponse(status=WELL), None), (saying(type=2, value=b""), 0)],
)
def test_an_empty_answer_is_what_its_type_says(hostile, gateway, response, result):
    hostile.on_call = lambda *_: response

    answer = answer_of(gateway)

    assert (answer.outcome, answer.result) == ("ANSWERED", result)


SPECIAL = {
    grpc.StatusCode.DEADLINE_EXCEEDED: "feed_update: no answer in 5 s",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "feed_update: still busy with an earlier call",
    grpc.StatusCode.UNAVAILABLE: "feed_update: its process ended while it was asked",
}


@pytest.mark.parametrize("code", [c for c in grpc.StatusCode if c.value[0]])
def test_any_transport_code_fails_alone(hostile, gateway, code):
    hostile.on_call = lambda request, context: context.abort(code, "so there")

    answer = answer_of(gateway)

    assert answer.outcome == "FAILED"
    assert answer.reason == SPECIAL.get(code, f"predict: {code.name}: so there")
    assert "steady" in gateway.live()


LATE = "feed_update: it restarted and was not ready in time"


@pytest.mark.parametrize(
    ("on_setup", "reason"),
    [
        (
            lambda *_: SetupResponse(status=Status(code="INVALID_ARGUMENT")),
            "predict: setup refused: INVALID_ARGUMENT",
        ),
        (
            lambda *_: SetupResponse(status=Status(code="SURPRISE")),
            "predict: SURPRISE",
        ),
        (lambda *_: SetupResponse(), "predict: "),
        (
            lambda _, context: context.abort(grpc.StatusCode.INTERNAL, "no"),
            "predict: INTERNAL: no",
        ),
        (lambda *_: SetupResponse(status=WELL), LATE),
    ],
)
def test_a_heal_that_goes_wrong_fails_alone(hostile, gateway, on_setup, reason):
    hostile.on_call = lambda *_: FORGETFUL
    hostile.on_setup = on_setup

    answer = answer_of(gateway)

    assert (answer.outcome, answer.reason) == ("FAILED", reason)


def test_a_heal_that_never_ends_fails_alone(hostile, gateway):
    hostile.on_call = lambda *_: FORGETFUL
    hostile.on_setup = hostile.hang

    answer = answer_of(gateway)

    assert hostile.hangs
    assert (answer.outcome, answer.reason) == ("FAILED", LATE)


def test_withdrawn_while_it_heals_is_absent_at_once(stage, hostile):
    gateway = stage.gateway()
    wait_live(gateway, "steady", "hostile")
    hostile.on_call = lambda *_: FORGETFUL
    hostile.on_setup = hostile.hang

    withdrawing = threading.Thread(target=withdraw_hanging, args=(stage, hostile))
    withdrawing.start()
    answer = answer_of(gateway)

    withdrawing.join()
    assert hostile.hangs
    assert answer.outcome == "ABSENT"
    assert answer.reason == "feed_update: it was stopped while it was asked"
    assert stage.orchestrator.reports == []


def withdraw_hanging(stage, hostile):
    wait_for(lambda: hostile.hangs)
    stage.orchestrator.withdraw("hostile")


def test_a_model_that_never_remembers_its_setup_is_reported(stage, hostile):
    gateway = stage.gateway(max_consecutive_timeouts=2)
    wait_live(gateway, "steady", "hostile")
    hostile.on_call = lambda *_: FORGETFUL

    wait_for(lambda: answer_of(gateway) and stage.orchestrator.reports)

    (report,) = stage.orchestrator.reports
    assert report["failure_code"] == "MULTIPLE_TIMEOUT"
    assert "it restarted and was not ready" in report["failure_reason"]


SETUP_TEXTS = {
    "a\0b": "a\N{REPLACEMENT CHARACTER}b",
    "\x01": "\N{REPLACEMENT CHARACTER}",
    r"\N": r"\N",
    "\r": "\n",
    "\x1b[2J": "\N{REPLACEMENT CHARACTER}[2J",
    "x" * 100_000: "x" * 1_999 + "…",
    "x" * 3 * 2**20: "the message of its setup is too long",
}


@pytest.mark.parametrize("text", SETUP_TEXTS, ids=range(len(SETUP_TEXTS)))
def test_whatever_a_setup_says_is_told_reported_and_logged_in_short(
    stage, hostile, text, caplog
):
    refusal = Status(code="SETUP_FAILED", message=text)
    hostile.on_setup = lambda *_: SetupResponse(status=refusal)
    gateway = stage.gateway()
    wait_live(gateway, "steady")

    (report,) = wait_for(lambda: stage.orchestrator.reports)

    assert report["failure_code"] == "MULTIPLE_FAILED"
    assert report["failure_reason"] == SETUP_TEXTS[text]
    assert {i.model_id: i.error for i in gateway.roster()}["hostile"] == (
        SETUP_TEXTS[text]
    )
    assert max(map(len, caplog.messages)) < 5_000


def test_what_a_removed_model_said_is_told_and_then_forgotten(
    stage, hostile, monkeypatch
):
    refusal = Status(code="SETUP_FAILED", message="no weights")
    hostile.on_setup = lambda *_: SetupResponse(status=refusal)
    gateway = stage.gateway()
    wait_live(gateway, "steady")
    wait_for(lambda: stage.orchestrator.reports)
    stage.orchestrator.withdraw("hostile")

    def told():
        return {i.model_id: (i.state, i.error) for i in gateway.roster()}

    wait_for(lambda: told()["hostile"] == ("STOPPED", "no weights"))
    monkeypatch.setattr("competitions.gateway.cluster.GRACE_S", 0.0)

    assert told()["hostile"] == ("STOPPED", "no weights")
    assert told().keys() == {"steady"}
    absent = ask(gateway, ["hostile"])["hostile"]
    assert (absent.outcome, absent.reason) == (
        "ABSENT",
        "the orchestrator does not know it",
    )


def test_an_answer_that_is_refused_is_kept_as_it_was_said(hostile, gateway):
    hostile.on_call = lambda *_: saying(value=b'{"value": NaN, "\xff\0": "\r"}')

    answer = answer_of(gateway)

    replaced = "\N{REPLACEMENT CHARACTER}" * 2
    assert answer.raw == '{"value": NaN, "' + replaced + '": "\n"}'


def test_two_million_small_lists_are_refused_before_they_are_decoded(
    hostile, gateway, monkeypatch
):
    decoded = []
    monkeypatch.setattr(
        "competitions.gateway.wire.parse_json",
        lambda data, **_: decoded.append(len(data)) or {"value": 1.0},
    )
    wide = b"[" + b"[]," * 300_000 + b"[]]"
    hostile.on_call = lambda *_: saying(value=wide)

    answer = answer_of(gateway)

    assert (
        answer.reason
        == "predict: the answer had 900004 bytes; at most 16384 are " + ("taken")
    )
    assert decoded == [len(b'{"value": 1.0}')]
