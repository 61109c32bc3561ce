"""The self-test for debuggers: a model within this process, where they can stop it."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from model_runner_client.grpc.generated.dynamic_subclass_pb2 import SetupRequest

from competitions.gateway.types import Answer, Call
from competitions.gateway.wire import AnswerError, request_of, result_of
from competitions.local_models.checkup import Checkup, ask_all, require_model
from competitions.local_models.servicer import ModelServicer
from competitions.local_models.supervisor import PACKAGE
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

    def ask(feed: Call, question: Call) -> list[Answer]:
        fed = model.Call(request_of(feed), None).status
        asked_at = time.perf_counter()
        response = model.Call(request_of(question), None)
        took_us = round((time.perf_counter() - asked_at) * 1e6)
        warning = f"{feed.method}: {fed.message}" if fed.code != "SUCCESS" else ""
        answer = Answer("first", "FAILED", warning=warning, exec_time_us=took_us)
        if response.status.code != "SUCCESS":
            reason = f"{question.method}: {response.status.message}"
            return [replace(answer, reason=reason)]
        try:
            result = result_of(response.methodResponse)
        except AnswerError as error:
            return [replace(answer, reason=f"{question.method}: {error}")]
        return [replace(answer, outcome="ANSWERED", result=result)]

    ask_all(ask, wiring, candles, rounds, found)
    return found
