"""A hostile orchestrator and a hostile runner: the models' side of the wire lies.

What has to hold: an honest model beside them answers every round, whatever is said.
tests/competitions/gateway has each single lie with its exact outcome; here they come
all at once, in a stream, and at random.
"""

import json
import random
import resource

import pytest
from model_runner_client.grpc.generated.commons_pb2 import Status, Variant
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import (
    CallResponse,
    SetupResponse,
)

from tests.attacks.conftest import FULL
from tests.competitions.gateway.conftest import ask, wait_live
from tests.fakes.hostile_runner import WELL, HostileRunner

pytestmark = pytest.mark.timeout(300)

SAYINGS = 400 if FULL else 60
GROWTH_KB = 200 * 1024


def odd_value(chance: random.Random):
    """Any JSON value: of the right form, nearly, and not at all."""
    return chance.choice(
        [
            *(None, True, -1, 2**70, 1e308, "", "RUNNING", "steady", "steady_1"),
            *("a\0b", "\ud800", "x" * 100_000, [], {}, [[[]]], {"a": {"b": []}}),
            *("unix", "/etc/passwd", "127.0.0.1", "169.254.169.254", 22, 65_536),
        ]
    )


def frame(chance: random.Random) -> str:
    model = {
        "model_id": f"odd-{chance.randrange(50)}",
        "deployment_id": f"odd_{chance.randrange(50)}",
        "infos": {"model_name": "odd", "cruncher_id": "c", "cruncher_name": "n"},
        "state": chance.choice(["RUNNING", "STOPPED", "RECOVERING"]),
        "ip": "127.0.0.1",
        "port": 9,
    }
    for name in chance.sample(list(model), chance.randrange(4)):
        model[name] = odd_value(chance)
    whole = {"event": chance.choice(["update", "update", "init"]), "data": [model]}
    if whole["event"] == "init":
        whole["data"] = None  # an init that lists models would rightly end the others
    text = json.dumps(whole)
    at = chance.randrange(len(text))
    return chance.choice(
        [text, text, text, text[:at], "[" * 100_000, text * 2, text[:at] + "\0" + text]
    )


@pytest.mark.attack(
    "an orchestrator that says anything: forms, depths, sizes, addresses",
    held_by="gateway/announcements.py and link.py: a frame costs itself",
)
def test_whatever_an_orchestrator_says_the_honest_model_answers(stage, seen):
    chance = random.Random(7)
    stage.add("steady")
    gateway = stage.gateway()
    wait_live(gateway, "steady")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for count in range(SAYINGS):
        stage.orchestrator.say(frame(chance))
        if count % 20 == 0:
            answers = ask(gateway, ["steady"])
            assert answers["steady"].outcome == "ANSWERED", count
    assert ask(gateway, ["steady"])["steady"].outcome == "ANSWERED"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < GROWTH_KB
    seen(f"{SAYINGS} frames: the honest model answered each round")


def any_response(chance: random.Random) -> CallResponse:
    kind = chance.choice([*range(8), 99])
    value = chance.choice(
        [
            *(b"", b"NaN", b"1e999", b"[" * 100_000, b"[" + b"[]," * 300_000 + b"[]]"),
            *(b"\xff" * 8, b"1" * 5_000, b'"' + b"x" * 3_000_000 + b'"', b'"\\ud800"'),
            *(b'{"value": 1.0}', chance.randbytes(chance.randrange(64)), b'"\\u0000"'),
            *(b"\x80\x04c__builtin__\nexit\n.", b'{"py/object": "os.abort"}'),
        ]
    )
    code = chance.choice(["SUCCESS", "SUCCESS", "SUCCESS", "MODEL_FAILED", "", "\1"])
    said = chance.choice(["", "a\0b\r\n", "\x1b[2J", "x" * 500_000])
    return CallResponse(
        status=Status(code=code, message=said),
        methodResponse=Variant(type=kind, value=value),
    )


@pytest.mark.attack(
    "a runner that answers anything: types, bombs, pickles, texts",
    held_by="gateway/replies.py: an answer is bytes of a bound, then JSON, or failed",
)
def test_whatever_a_runner_answers_the_honest_model_answers(stage, tmp_path, seen):
    chance = random.Random(7)
    stage.add("steady")
    runner = HostileRunner(tmp_path / "hostile.sock")
    try:
        stage.orchestrator.announce("hostile", address=runner.socket)
        gateway = stage.gateway()
        wait_live(gateway, "steady", "hostile")
        runner.on_setup = lambda *_: SetupResponse(status=WELL)
        runner.on_call = lambda *_: any_response(chance)
        outcomes: dict[str, int] = {}
        for at in range(SAYINGS):
            answers = ask(gateway, ["steady", "hostile"])
            assert answers["steady"].outcome == "ANSWERED", at
            hostile = answers["hostile"]
            assert len(hostile.reason or "") <= 2_000
            outcomes[hostile.outcome] = outcomes.get(hostile.outcome, 0) + 1
        told = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))
        seen(f"{SAYINGS} rounds: the honest model answered all; the other {told}")
    finally:
        runner.stop()
