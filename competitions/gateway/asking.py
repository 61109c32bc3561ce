"""Asking: one round over all live models, each on its own, under one lock.

Runs on the gateway's event loop. Imports the client, so import it late.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import structlog
from grpc.aio import AioRpcError
from model_runner_client.errors import InvalidCoordinatorUsageError
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import CallRequest

from competitions.gateway.client import LARGEST_MESSAGE_BYTES, Client, Runner
from competitions.gateway.errors import GatewayError, MethodMissingError
from competitions.gateway.replies import (
    BAD_CODE,
    DEAF,
    Kind,
    Reply,
    answer_of,
    decode,
    microseconds,
    reply_to,
)
from competitions.gateway.standing import Standing
from competitions.gateway.types import Answer, Call, ModelIdentity, RoundAnswers
from competitions.gateway.wire import request_of
from core.texts import brief, describe, message_of, readable

log = structlog.get_logger(__name__)

STOPPED = "it was stopped while it was asked"


class Rounds:
    """The rounds of one crunch over the hardened client."""

    def __init__(
        self,
        *,
        history: Callable[[ModelIdentity], Sequence[Call]],
        **client_options: Any,
    ) -> None:
        self._client = Client(on_joined=self._replay, **client_options)
        self._cluster = self._client.model_cluster
        self._timeout_s: float = client_options["timeout"]
        self._base_classname: str = client_options["base_classname"]
        self._history = history
        self._standings: dict[str, Standing] = defaultdict(Standing)
        self._deployments: dict[str, str] = {}
        self._lock = asyncio.Lock()
        # Not the loop's own threads, which hooks of the caller may keep busy.
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._sync: asyncio.Task[None] | None = None
        self._is_closed = False

    def begin(self) -> None:
        self._sync = asyncio.create_task(self._client.sync())

    @property
    def is_connected(self) -> bool:
        return self._cluster.initialised.is_set() and self._cluster.ws_client.is_open

    @property
    def is_roster_complete(self) -> bool:
        return bool(self._cluster.is_complete)

    def live(self) -> set[str]:
        return set(self._cluster.models_run.copy())

    async def roster(self) -> list[ModelIdentity]:
        roster = self._cluster.roster()
        for known in (self._standings, self._deployments):
            for model_id in known.keys() - self._cluster.announced.keys():
                del known[model_id]
        return roster

    async def aclose(self) -> None:
        self._is_closed = True
        if self._sync is not None:
            self._sync.cancel()
            await asyncio.gather(self._sync, return_exceptions=True)
        await self._cluster.aclose()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        self._decoder.shutdown(wait=False, cancel_futures=True)

    async def ask(
        self, *, feed: Call | None, question: Call, expected: Collection[str]
    ) -> RoundAnswers:
        called_at = time.perf_counter()
        requests = [request_of(call) for call in (feed, question) if call is not None]
        async with self._lock:
            started_at = time.perf_counter()
            runners = list(self._cluster.models_run.values())
            stages = await asyncio.gather(*(self._ask(r, requests) for r in runners))
            ended_at = time.perf_counter()
        if self._is_closed:  # the models vanished because we did
            raise GatewayError("the gateway was closed in the middle of a round.")
        replies = [stage[-1] for stage in stages]
        # Not before all have answered, and not on the loop: it holds up nobody.
        await asyncio.get_running_loop().run_in_executor(
            self._decoder,
            partial(decode, replies, largest_bytes=question.largest_answer_bytes),
        )
        for method in (request.methodName for request in requests):
            self._judge(runners, stages, method)
        asked = [r.asked_at for r in replies if r.asked_at is not None]
        first, last = min(asked, default=started_at), max(asked, default=started_at)
        answers: dict[str, Answer] = {
            runner.model_id: answer_of(runner.model_id, stage, first)
            for runner, stage in zip(runners, stages, strict=True)
        }
        announced = self._cluster.announced
        return RoundAnswers(
            answers=[
                answers.pop(model_id) if model_id in answers else self._absent(model_id)
                for model_id in dict.fromkeys(expected)
            ]
            + list(answers.values()),
            joined=[announced[model_id] for model_id in answers],
            timing={
                "waited_us": microseconds(started_at - called_at),
                "dispatched_us": microseconds(first - called_at),
                "skew_us": microseconds(last - first),
                "completed_us": microseconds(ended_at - called_at),
            },
        )

    async def _ask(
        self, runner: Runner, requests: Sequence[CallRequest]
    ) -> list[Reply]:
        """Feed update, then question: a model that is late delays no other's.

        The last reply is the model's answer.
        """
        if self._standing(runner).skips_round():
            return [Reply(Kind.PAUSED, reason="paused after it ran out of time")]
        replies: list[Reply] = []
        for request in requests:
            replies.append(await self._call(runner, request))
            if replies[-1].kind in DEAF:
                break
        return replies

    def _standing(self, runner: Runner) -> Standing:
        standing = self._standings[runner.model_id]
        if self._deployments.get(runner.model_id) != runner.deployment_id:
            self._deployments[runner.model_id] = runner.deployment_id
            standing.pause_rounds = 0  # a new start deserves a try
        return standing

    async def _call(self, runner: Runner, request: CallRequest) -> Reply:
        """One call within the time limit, setting a restarted runner up again."""
        asked_at = time.perf_counter()
        deadline = asked_at + self._timeout_s
        reply = await self._call_once(runner, request, self._timeout_s)
        if reply is None:
            reply = await self._heal_and_call(runner, request, deadline)
        reply.method, reply.asked_at = request.methodName, asked_at
        reply.exec_time_us = microseconds(time.perf_counter() - asked_at)
        return reply

    async def _heal_and_call(
        self, runner: Runner, request: CallRequest, deadline: float
    ) -> Reply:
        late = Reply(Kind.TIMEOUT, reason="it restarted and was not ready in time")
        try:
            async with asyncio.timeout(_left_s(deadline)):
                is_set_up, _ = await runner.set_up()
                if not is_set_up:
                    return Reply(Kind.RAISED, reason=runner.error)
                await self._replay(runner)
        except TimeoutError:
            return late
        except asyncio.CancelledError:
            if not runner.closed:
                raise
            return Reply(Kind.GONE, reason=STOPPED)
        except Exception as error:  # noqa: BLE001  a stranger's doing, see _trouble
            return self._trouble(runner, error, was_ready=True)
        return await self._call_once(runner, request, _left_s(deadline)) or late

    async def _call_once(
        self, runner: Runner, request: CallRequest, timeout_s: float
    ) -> Reply | None:
        """One call; None when the runner has restarted and needs its setup again."""
        if runner.closed:
            return Reply(Kind.GONE, reason="it was stopped")
        state = runner.grpc_channel.get_state()
        was_ready = state is grpc.ChannelConnectivity.READY
        try:
            response = await runner.grpc_stub.Call(request, timeout=timeout_s)
        except asyncio.CancelledError:
            if not runner.closed:
                raise
            return Reply(Kind.GONE, reason=STOPPED)
        except Exception as error:  # noqa: BLE001  a stranger's doing, see _trouble
            return self._trouble(runner, error, was_ready=was_ready)
        return reply_to(response)

    def _trouble(self, runner: Runner, error: Exception, *, was_ready: bool) -> Reply:
        """What an error on the way to or from a model means for its answer."""
        if runner.closed:
            return Reply(Kind.GONE, reason=STOPPED)
        if isinstance(error, AioRpcError):
            return self._broken(runner, error, was_ready=was_ready)
        if isinstance(error, InvalidCoordinatorUsageError):
            return Reply(Kind.RAISED, reason=f"setup refused: {message_of(error)}")
        # The client's checks failed, or fell over what a stranger sent as proof.
        text = message_of(error)
        log.warning("model.distrusted", model=runner.model_id, error=describe(error))
        self._cluster.spawn(
            self._cluster.process_failure(runner, "CONNECTION_FAILED", text)
        )
        return Reply(Kind.UNTRUSTED, reason=f"authentication failed: {text}")

    def _broken(self, runner: Runner, error: AioRpcError, *, was_ready: bool) -> Reply:
        """What a transport error means."""
        code, text = error.code(), readable(error.details() or "")
        if code is grpc.StatusCode.UNAVAILABLE:
            self._cluster.spawn(self._cluster.reconnect_model_runner(runner))
            if was_ready:
                return Reply(Kind.DIED, reason="its process ended while it was asked")
            return Reply(Kind.UNREACHABLE, reason=f"its process is gone: {text}")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            reply = Reply(Kind.TIMEOUT, reason=f"no answer in {self._timeout_s:g} s")
        elif code is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            reply = Reply(Kind.RAISED, reason=f"{code.name}: {text}")
        elif "larger than max" in text:
            limit = LARGEST_MESSAGE_BYTES // 2**20
            reply = Reply(Kind.RAISED, reason=f"the answer exceeds {limit} MiB")
        else:
            reply = Reply(Kind.BUSY, reason="still busy with an earlier call")
        return reply

    def _judge(
        self, runners: Sequence[Runner], stages: Sequence[list[Reply]], method: str
    ) -> None:
        """Hold one method's failures against the models, unless the fault is ours.

        A model that lacks a method inherits that from the base class; and where several
        models raise and none answers, the input or the call is to blame.
        """
        replies = [
            (runner, reply)
            for runner, stage in zip(runners, stages, strict=True)
            for reply in stage
            if reply.method == method
        ]
        kinds = [reply.kind for _, reply in replies]
        if kinds and set(kinds) == {Kind.MISSING}:
            raise MethodMissingError(
                f"method was {method!r}, which no model has; "
                f"correct the call of the competition or {self._base_classname}."
            )
        bad = [kind for kind in kinds if kind in BAD_CODE]
        is_ours = Kind.ANSWERED not in kinds and len(bad) > 1
        if is_ours:
            reasons = {r.reason for _, r in replies if r.kind in BAD_CODE}
            log.error(
                "gateway.all_models_failed", method=method, reasons=brief(reasons)
            )
        for runner, reply in replies:
            if not (is_ours and reply.kind in BAD_CODE):
                self._count(runner, reply)

    def _count(self, runner: Runner, reply: Reply) -> None:
        standing, client = self._standing(runner), self._client
        if reply.kind is Kind.ANSWERED:
            standing.succeeded(reply.method)
            return
        if reply.kind in BAD_CODE:
            count = standing.failed(reply.method)
            limit, code = client.max_consecutive_failures, "MULTIPLE_FAILED"
        elif reply.kind is Kind.TIMEOUT:
            count = standing.timed_out(reply.method)
            limit, code = client.max_consecutive_timeout, "MULTIPLE_TIMEOUT"
        else:
            return
        if count > limit:
            del self._standings[runner.model_id]
            reason = f"{reply.method}, {count} times in a row: {reply.reason}"
            self._cluster.spawn(self._cluster.process_failure(runner, code, reason))

    def _absent(self, model_id: str) -> Answer:
        identity = self._cluster.announced.get(model_id)
        if not self._cluster.ws_client.is_open and identity is None:
            reason = "the orchestrator cannot be reached"
        elif identity is None:
            reason = "the orchestrator does not know it"
        elif identity.state == "STOPPED":
            reason = f"it is stopped. {identity.error}".strip()
        else:
            reason = identity.error or "its process is starting"
        return Answer(model_id=model_id, outcome="ABSENT", reason=reason)

    async def _replay(self, runner: Runner) -> None:
        """Show history to a model that has joined or lost its state."""
        identity = self._cluster.announced[runner.model_id]
        try:
            requests = [
                request_of(call)
                for call in await asyncio.to_thread(self._history, identity)
            ]
        except Exception:  # the caller's hook; the model joins without
            log.exception("gateway.no_history", model=runner.model_id)
            return
        for request in requests:
            reply = await self._call_once(runner, request, self._timeout_s)
            if reply is None or reply.kind in DEAF:
                return


def _left_s(deadline: float) -> float:
    return max(0.001, deadline - time.perf_counter())
