"""Ask all live models in one round, each independently, under one lock.

Runs on the gateway's event loop. Imports the client, which is heavy, so import this
late.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import CallRequest

from competitions.gateway.calls import Caller
from competitions.gateway.client import Client
from competitions.gateway.errors import GatewayError, MethodMissingError
from competitions.gateway.lapses import Lapses
from competitions.gateway.model_runner import Runner
from competitions.gateway.replies import (
    BAD_CODE,
    UNREACHED,
    Reply,
    ReplyKind,
    answer_of,
    decode_replies,
    microseconds,
)
from competitions.gateway.types import Call, ModelAnswer, ModelIdentity, RoundAnswers
from competitions.gateway.wire import request_of
from core.texts import brief

log = structlog.get_logger(__name__)


class Asker:
    """Asks the models of one crunch, and reports those that fail too often."""

    def __init__(
        self,
        *,
        history: Callable[[ModelIdentity], Sequence[Call]],
        **client_options: Any,
    ) -> None:
        self._client = Client(on_joined=self._on_joined, **client_options)
        self._cluster = self._client.model_cluster
        self._caller = Caller(
            cluster=self._cluster,
            history=history,
            timeout_s=client_options["timeout"],
        )
        self._base_classname: str = client_options["base_classname"]
        self._lapses: dict[str, Lapses] = defaultdict(Lapses)
        self._deployments: dict[str, str] = {}
        self._blamed: set[str] = set()  # methods that no model answers, told of once
        self._lock = asyncio.Lock()
        # The loop's own threads may be busy with the caller's hooks.
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._sync: asyncio.Task[None] | None = None
        self._is_closed = False

    def begin(self) -> None:
        self._sync = asyncio.create_task(self._client.sync())

    async def _on_joined(self, runner: Runner) -> None:
        await self._caller.replay(runner)

    @property
    def is_connected(self) -> bool:
        return self._cluster.initialised.is_set() and self._cluster.ws_client.is_open

    @property
    def is_settled(self) -> bool:
        return self.is_connected and bool(self._cluster.is_settled)

    @property
    def is_roster_complete(self) -> bool:
        return bool(self._cluster.is_complete)

    @property
    def outage(self) -> str:
        """Return why no model at all can be asked; empty if one may be."""
        if self.is_connected or self.live():
            return ""
        if self._cluster.ws_client.refusal:
            return "the orchestrator refuses its competition"
        return "the orchestrator cannot be reached"

    def live(self) -> set[str]:
        return set(self._cluster.models_run.copy())

    async def roster(self) -> list[ModelIdentity]:
        roster = self._cluster.roster()
        for known in (self._lapses, self._deployments):
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
            stages = await asyncio.gather(
                *(self._ask(r, requests, question.label) for r in runners)
            )
            ended_at = time.perf_counter()
        if self._is_closed:  # closing has ended the calls
            raise GatewayError("the gateway was closed in the middle of a round.")
        replies = [stage[-1] for stage in stages]
        # After all have answered, and outside of the loop, so that decoding delays no
        # model.
        await asyncio.get_running_loop().run_in_executor(
            self._decoder,
            partial(
                decode_replies, replies, largest_bytes=question.largest_answer_bytes
            ),
        )
        for method in (request.methodName for request in requests):
            self._count_failures(runners, stages, method)
        asked = [r.asked_at for r in replies if r.asked_at is not None]
        first, last = min(asked, default=started_at), max(asked, default=started_at)
        answers: dict[str, ModelAnswer] = {
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
        self, runner: Runner, requests: Sequence[CallRequest], label: str
    ) -> list[Reply]:
        """Send one model its feed update, then the question; returns the replies.

        The last reply is the model's answer.
        """
        if self._lapses_of(runner).skips_round():
            return [Reply(ReplyKind.PAUSED, reason="paused after it ran out of time")]
        replies: list[Reply] = []
        for request in requests:
            replies.append(await self._caller.call(runner, request, label))
            if replies[-1].kind in UNREACHED:
                break
        return replies

    def _lapses_of(self, runner: Runner) -> Lapses:
        lapses = self._lapses[runner.model_id]
        if self._deployments.get(runner.model_id) != runner.deployment_id:
            self._deployments[runner.model_id] = runner.deployment_id
            lapses.pause_rounds = 0  # a restarted model may be asked again
        return lapses

    def _count_failures(
        self, runners: Sequence[Runner], stages: Sequence[list[Reply]], method: str
    ) -> None:
        """Count one method's failures for each model, unless the site is to blame.

        The site is to blame if every model lacks the method (raises
        MethodMissingError), or if several models raise or run out of time and none
        answers: then the call or its input is wrong, or the site stood still.
        """
        replies = [
            (runner, reply)
            for runner, stage in zip(runners, stages, strict=True)
            for reply in stage
            if reply.method == method
        ]
        kinds = [reply.kind for _, reply in replies]
        if kinds and set(kinds) == {ReplyKind.MISSING}:
            raise MethodMissingError(
                f"method was {method!r}, which no model has; "
                f"correct the call of the competition or {self._base_classname}."
            )
        faults = BAD_CODE | {ReplyKind.TIMEOUT}
        bad = [kind for kind in kinds if kind in faults]
        is_ours = ReplyKind.ANSWERED not in kinds and len(bad) > 1
        if ReplyKind.ANSWERED in kinds:
            self._blamed.discard(method)
        if is_ours and method not in self._blamed:
            self._blamed.add(method)
            reasons = {r.reason for _, r in replies if r.kind in faults}
            log.error(
                "gateway.all_models_failed", method=method, reasons=brief(reasons)
            )
        for runner, reply in replies:
            if not (is_ours and reply.kind in faults):
                self._count(runner, reply)

    def _count(self, runner: Runner, reply: Reply) -> None:
        lapses, client = self._lapses_of(runner), self._client
        if reply.kind is ReplyKind.ANSWERED:
            lapses.succeeded(reply.method)
            return
        if reply.kind in BAD_CODE:
            count = lapses.failed(reply.method)
            limit, code = client.max_consecutive_failures, "MULTIPLE_FAILED"
        elif reply.kind is ReplyKind.TIMEOUT:
            count = lapses.timed_out(reply.method)
            limit, code = client.max_consecutive_timeout, "MULTIPLE_TIMEOUT"
        elif reply.kind is ReplyKind.BUSY:
            count = lapses.was_busy(reply.method)
            limit, code = client.max_consecutive_timeout, "MULTIPLE_TIMEOUT"
        else:
            return
        if count > limit:
            del self._lapses[runner.model_id]
            reason = f"{reply.method}, {count} times in a row: {reply.reason}"
            self._cluster.spawn(self._cluster.process_failure(runner, code, reason))

    def _absent(self, model_id: str) -> ModelAnswer:
        identity = self._cluster.announced.get(model_id)
        if identity is None and self._cluster.ws_client.refusal:
            code, reason = "NO_ORCHESTRATOR", "the orchestrator refuses its competition"
        elif identity is None and not self._cluster.ws_client.is_open:
            code, reason = "NO_ORCHESTRATOR", "the orchestrator cannot be reached"
        elif identity is None:
            code, reason = "UNKNOWN", "the orchestrator does not know it"
        elif identity.state == "STOPPED":
            code, reason = "STOPPED", f"it is stopped. {identity.error}".strip()
        elif identity.error:
            code, reason = "SETUP_FAILED", identity.error
        else:
            code, reason = "STARTING", "its process is starting"
        return ModelAnswer(model_id, "ABSENT", reason=reason, code=code)
