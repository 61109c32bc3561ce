"""Test a participant's model within this process, where a debugger can stop it."""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from model_runner_client.grpc.generated.dynamic_subclass_pb2 import SetupRequest

from competitions.check_model.ask_scopes import ask_all, scopes_of
from competitions.check_model.checkup import SETUP_FAILED, Checkup, require_model
from competitions.gateway.replies import (
    Reply,
    answer_of,
    decode_replies,
    microseconds,
    reply_to,
)
from competitions.gateway.types import Call, ModelAnswer
from competitions.gateway.wire import request_of
from competitions.local_models.launch import PACKAGE
from competitions.local_models.servicer import ModelServicer
from competitions.slots import Wiring

SANDBOX = "none: within this process"
# No call counts as hung while somebody debugs it.
A_DAY_S = 86_400.0


def debug_model(
    *,
    path: Path,
    wiring: Wiring,
    base_classname: str,
    candles: Sequence[Mapping[str, float]],
    rounds: int,
    timeout_s: float,
    level: int = 0,  # noqa: ARG001  there is no sandbox here
) -> Checkup:
    """Test as `check_model` does, but in this process, for a debugger.

    One instance, no sandbox, no connection, and no limit on an answer's time.
    """
    require_model(path)
    sys.path[:0] = [str(path), str(PACKAGE)]
    model = ModelServicer(path, hang_s=A_DAY_S, setup_hang_s=A_DAY_S)
    started = time.perf_counter()
    status = model.Setup(SetupRequest(className=base_classname), None).status
    if status.code != "SUCCESS":
        return Checkup(
            limit_ms=timeout_s * 1000,
            sandbox=SANDBOX,
            setup_s=None,
            problems=Counter([f"{SETUP_FAILED}{status.message}"]),
        )
    setup_s = time.perf_counter() - started

    def reply(call: Call) -> Reply:
        asked_at = time.perf_counter()
        answer = reply_to(model.Call(request_of(call), None))
        assert answer is not None  # it was set up above, so it is not None
        answer.method = call.method
        answer.exec_time_us = microseconds(time.perf_counter() - asked_at)
        return answer

    def ask(feed: Call, question: Call) -> list[ModelAnswer]:
        replies = [reply(feed), reply(question)]
        decode_replies(replies[-1:], largest_bytes=question.largest_answer_bytes)
        return [answer_of("first", replies, first=0.0)]

    asked = ask_all(ask, wiring, scopes_of(wiring.config), candles, rounds)
    return Checkup(
        limit_ms=timeout_s * 1000, sandbox=SANDBOX, setup_s=setup_s, **vars(asked)
    )
