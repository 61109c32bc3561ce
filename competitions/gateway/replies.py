"""Replies of models to single calls, and the answers made from them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from model_runner_client.grpc.generated.commons_pb2 import Variant
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import CallResponse

from competitions.gateway.types import ModelAnswer
from competitions.gateway.wire import AnswerError, result_of
from core.texts import LONGEST_TEXT, readable


class ReplyKind(StrEnum):
    """The outcome of one call to one model; that of a failure is its public code."""

    ANSWERED = "ANSWERED"
    RAISED = "EXCEPTION"  # the model's own code failed
    INVALID = "INVALID"  # its answer cannot be stored
    MISSING = "METHOD_MISSING"  # the model has no such method
    TIMEOUT = "TIMEOUT"
    BUSY = "BUSY"  # the model still works on an earlier call
    PAUSED = "PAUSED"  # not asked for some rounds after a timeout
    DIED = "DIED"  # the connection broke while it was asked
    UNREACHABLE = "UNREACHABLE"
    GONE = "STOPPED"  # the orchestrator withdrew it while it was asked
    UNTRUSTED = "UNTRUSTED"  # the model could not prove its owner


ABSENT = {ReplyKind.PAUSED, ReplyKind.UNREACHABLE, ReplyKind.GONE}
BAD_CODE = {ReplyKind.RAISED, ReplyKind.INVALID, ReplyKind.MISSING}
# After these the question would not reach the model either.
UNREACHED = {
    ReplyKind.TIMEOUT,
    ReplyKind.BUSY,
    ReplyKind.PAUSED,
    ReplyKind.DIED,
    ReplyKind.UNTRUSTED,
} | ABSENT


@dataclass
class Reply:
    """One model's reply, with when it was asked (monotonic seconds)."""

    kind: ReplyKind
    # Raw message of an answer, until `decode_replies` has read it.
    message: Variant | None = None
    value: Any = None  # the decoded answer
    reason: str = ""
    raw: str = ""  # the text of an answer that cannot be stored
    method: str = ""
    asked_at: float | None = None
    exec_time_us: int | None = None


def reply_to(response: CallResponse) -> Reply | None:
    """Make a reply of a runner's response; None when it needs its setup first."""
    status = response.status
    if status.code == "SUCCESS":
        return Reply(ReplyKind.ANSWERED, message=response.methodResponse)
    if status.code == "FAILED_PRECONDITION":
        return None
    kind = (
        ReplyKind.MISSING if status.code == "BAD_IMPLEMENTATION" else ReplyKind.RAISED
    )
    return Reply(kind, reason=readable(status.message or status.code))


def decode_replies(replies: Iterable[Reply], *, largest_bytes: int) -> None:
    """Decode the message of each model that answered into `value`.

    An answer that cannot be stored makes the reply INVALID. Size and width are checked
    before decoding; even so it takes too long for an event loop that others wait for.
    """
    for reply in replies:
        message, reply.message = reply.message, None
        if message is None:
            continue
        try:
            reply.value = result_of(message, largest_bytes=largest_bytes)
        except AnswerError as error:
            reply.kind = ReplyKind.INVALID
            reply.reason = readable(str(error))
            data = message.value
            # No more bytes than the text's first characters can take.
            reply.raw = readable(data[: 8 * LONGEST_TEXT].decode(errors="replace"))


def answer_of(model_id: str, stage: list[Reply], first: float) -> ModelAnswer:
    """Make a model's answer from its replies to feed update and question.

    `first` is when the round's first model was asked.
    """
    *earlier, reply = stage
    dispatched_us = (
        None if reply.asked_at is None else microseconds(reply.asked_at - first)
    )
    answer = ModelAnswer(
        model_id=model_id,
        outcome="ANSWERED",
        exec_time_us=reply.exec_time_us,
        dispatched_us=dispatched_us,
    )
    if reply.kind is ReplyKind.ANSWERED:
        warning = "; ".join(
            _failure_text(r) for r in earlier if r.kind is not ReplyKind.ANSWERED
        )
        return replace(answer, result=reply.value, warning=warning)
    return replace(
        answer,
        outcome="ABSENT" if reply.kind in ABSENT else "FAILED",
        code=reply.kind.value,
        reason=_failure_text(reply),
        raw=reply.raw,
    )


def _failure_text(reply: Reply) -> str:
    """Return a failed reply's reason with its method, for the model's owner."""
    where = f"{reply.method}: " if reply.method else ""
    return where + reply.reason


def microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
