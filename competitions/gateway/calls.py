"""Call one model once, within its time limit; every error becomes a reply.

Runs on the gateway's event loop. Imports the client, so import it late.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import grpc
import structlog
from grpc.aio import AioRpcError
from model_runner_client.errors import InvalidCoordinatorUsageError
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import CallRequest

from competitions.gateway.cluster import Cluster
from competitions.gateway.model_runner import LARGEST_MESSAGE_BYTES, Runner
from competitions.gateway.replies import (
    UNREACHED,
    Reply,
    ReplyKind,
    microseconds,
    reply_to,
)
from competitions.gateway.types import Call, ModelIdentity
from competitions.gateway.wire import request_of
from competitions.local_models.round_marks import LABEL
from core.texts import describe, message_of, readable

log = structlog.get_logger(__name__)

STOPPED = "it was stopped while it was asked"


class Caller:
    """Call models within a time limit, and set up again those that restarted.

    `history` returns the calls that a joining model receives first; it runs in a
    thread.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        history: Callable[[ModelIdentity], Sequence[Call]],
        timeout_s: float,
    ) -> None:
        self._cluster = cluster
        self._history = history
        self._timeout_s = timeout_s

    async def call(
        self, runner: Runner, request: CallRequest, label: str = ""
    ) -> Reply:
        """Call a model's method once; a runner that has restarted is set up first.

        The label is for the model's log.
        """
        asked_at = time.perf_counter()
        deadline = asked_at + self._timeout_s
        once = partial(self._call_once, runner, request, label=label)
        reply = await once(self._timeout_s)
        if reply is None:
            reply = await self._set_up_and_call(runner, once, deadline)
        reply.method, reply.asked_at = request.methodName, asked_at
        reply.exec_time_us = microseconds(time.perf_counter() - asked_at)
        return reply

    async def _set_up_and_call(
        self,
        runner: Runner,
        once: Callable[[float], Awaitable[Reply | None]],
        deadline: float,
    ) -> Reply:
        late = Reply(ReplyKind.TIMEOUT, reason="it restarted and was not ready in time")
        try:
            async with asyncio.timeout(_left_s(deadline)):
                is_set_up, _ = await runner.set_up()
                if not is_set_up:
                    return Reply(ReplyKind.RAISED, reason=runner.error)
                await self.replay(runner)
        except TimeoutError:
            return late
        except asyncio.CancelledError:
            if not runner.closed:
                raise
            return Reply(ReplyKind.GONE, reason=STOPPED)
        except Exception as error:  # noqa: BLE001  see _reply_to_error
            return self._reply_to_error(runner, error, was_ready=True)
        return await once(_left_s(deadline)) or late

    async def _call_once(
        self,
        runner: Runner,
        request: CallRequest,
        timeout_s: float,
        *,
        label: str = "",
    ) -> Reply | None:
        """Call once; None when the runner has restarted and needs its setup again."""
        if runner.closed:
            return Reply(ReplyKind.GONE, reason="it was stopped")
        state = runner.grpc_channel.get_state()
        was_ready = state is grpc.ChannelConnectivity.READY
        try:
            response = await runner.grpc_stub.Call(
                request,
                timeout=timeout_s,
                metadata=((LABEL, label),) if label else None,
            )
        except asyncio.CancelledError:
            if not runner.closed:
                raise
            return Reply(ReplyKind.GONE, reason=STOPPED)
        except Exception as error:  # noqa: BLE001  see _reply_to_error
            return self._reply_to_error(runner, error, was_ready=was_ready)
        return reply_to(response)

    def _reply_to_error(
        self, runner: Runner, error: Exception, *, was_ready: bool
    ) -> Reply:
        """Make a reply from an error on the way to or from a model."""
        if runner.closed:
            return Reply(ReplyKind.GONE, reason=STOPPED)
        if isinstance(error, AioRpcError):
            return self._reply_to_rpc_error(runner, error, was_ready=was_ready)
        if isinstance(error, InvalidCoordinatorUsageError):
            return Reply(ReplyKind.RAISED, reason=f"setup refused: {message_of(error)}")
        # The client's checks of identity failed, or could not read what the model sent.
        text = message_of(error)
        log.warning(
            "model.not_authenticated", model=runner.model_id, error=describe(error)
        )
        self._cluster.spawn(
            self._cluster.process_failure(runner, "CONNECTION_FAILED", text)
        )
        return Reply(ReplyKind.UNTRUSTED, reason=f"authentication failed: {text}")

    def _reply_to_rpc_error(
        self, runner: Runner, error: AioRpcError, *, was_ready: bool
    ) -> Reply:
        """Make a reply from a transport error; reconnect if the connection was lost."""
        code, text = error.code(), readable(error.details() or "")
        if code is grpc.StatusCode.UNAVAILABLE:
            self._cluster.spawn(self._cluster.reconnect_model_runner(runner))
            if was_ready:
                return Reply(
                    ReplyKind.DIED, reason="its process ended while it was asked"
                )
            return Reply(ReplyKind.UNREACHABLE, reason=f"its process is gone: {text}")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            reply = Reply(
                ReplyKind.TIMEOUT, reason=f"no answer in {self._timeout_s:g} s"
            )
        elif code is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            reply = Reply(ReplyKind.RAISED, reason=f"{code.name}: {text}")
        elif "larger than max" in text:
            limit = LARGEST_MESSAGE_BYTES // 2**20
            reply = Reply(ReplyKind.INVALID, reason=f"the answer exceeds {limit} MiB")
        else:
            reply = Reply(ReplyKind.BUSY, reason="still busy with an earlier call")
        return reply

    async def replay(self, runner: Runner) -> None:
        """Send history to a model that has joined or lost its state."""
        identity = self._cluster.announced[runner.model_id]
        try:
            requests = [
                request_of(call)
                for call in await asyncio.to_thread(self._history, identity)
            ]
        except Exception:  # the caller's hook may raise anything; join without history
            log.exception("gateway.no_history", model=runner.model_id)
            return
        for request in requests:
            reply = await self._call_once(runner, request, self._timeout_s)
            if reply is None or reply.kind in UNREACHED:
                return


def _left_s(deadline: float) -> float:
    return max(0.001, deadline - time.perf_counter())
