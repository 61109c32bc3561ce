"""The self-test for debuggers: a model within this process, where they can stop it."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from model_runner_client.grpc.generated.dynamic_subclass_pb2 import SetupRequest

from competitions.check_model.checkup import Checkup, ask_all, require_model
from competitions.gateway.replies import (
    Reply,
    answer_of,
    decode,
    microseconds,
    reply_to,
)
from competitions.gateway.types import Answer, Call
from competitions.gateway.wire import request_of
from competitions.local_models.launch import PACKAGE
from competitions.local_models.servicer import ModelServicer
from competitions.slots import Wiring

# No call is taken for hung while somebody looks at it.
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
    """As `check_model`, but within this process, where a debugger can stop the model.

    One instance, no sandbox, no connection, and no limit on an answer's time.
    """
    require_model(path)
    found = Checkup(limit_ms=timeout_s * 1000, sandbox="none: within this process")
    sys.path[:0] = [str(path), str(PACKAGE)]
    model = ModelServicer(path, hang_s=A_DAY_S, setup_hang_s=A_DAY_S)
    started = time.perf_counter()
    status = model.Setup(SetupRequest(className=base_classname), None).status
    if status.code != "SUCCESS":
        found.problems[f"setup failed: {status.message}"] += 1
        return found
    found.setup_s = time.perf_counter() - started

    def reply(call: Call) -> Reply:
        asked_at = time.perf_counter()
        found = reply_to(model.Call(request_of(call), None))
        assert found is not None  # it was set up above
        found.method = call.method
        found.exec_time_us = microseconds(time.perf_counter() - asked_at)
        return found

    def ask(feed: Call, question: Call) -> list[Answer]:
        replies = [reply(feed), reply(question)]
        decode(replies[-1:], largest_bytes=question.largest_answer_bytes)
        return [answer_of("first", replies, first=0.0)]

    ask_all(ask, wiring, candles, rounds, found)
    return found
