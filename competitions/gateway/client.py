"""The real client, hardened by subclassing. Imported only where it is used: ~100 MB.

What differs from model-runner-client: connecting happens in the background, one task a
model, so that a slow or dead one delays nobody; the runner's own error text is kept; a
runner that restarted on the same address is set up again; failures are counted by the
gateway (standing.py); everything can be closed.
"""

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

import structlog
from grpc import StatusCode
from grpc.aio import AioRpcError
from model_runner_client.errors import InvalidCoordinatorUsageError
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import SetupRequest
from model_runner_client.grpc.generated.dynamic_subclass_pb2_grpc import (
    DynamicSubclassServiceStub,
)
from model_runner_client.model_cluster import ModelCluster
from model_runner_client.model_concurrent_runners import (
    DynamicSubclassModelConcurrentRunner,
)
from model_runner_client.model_runners import DynamicSubclassModelRunner

from competitions.gateway.announcements import identity_of, models_of
from competitions.gateway.link import Link, check_socket, disarm
from competitions.gateway.types import ModelIdentity, State
from core.backoff import backoff
from core.texts import describe, message_of, readable

log = structlog.get_logger(__name__)

# Of anything that a model sends: the largest answer that a contract may allow fits.
LARGEST_MESSAGE_BYTES = 2**20 + 64 * 2**10
LONGEST_PAUSE_S = 15.0
# A model that the orchestrator no longer lists may be coming back; after this, it left.
GRACE_S = 120.0
# Attempts between two reports of a model that cannot be reached (~10 s each).
ATTEMPTS_A_REPORT = 3


class Runner(DynamicSubclassModelRunner):
    """The connection to one model; `error` is what its setup said last."""

    def __init__(self, base_classname: str, **kwargs: Any) -> None:
        setup_timeout_s = kwargs.pop("setup_timeout_s")
        super().__init__(base_classname, **kwargs)
        self.retry_attempts = 1  # the cluster retries, without leaking channels
        self.setup_timeout = setup_timeout_s + 60  # ours ends first, with its reason
        self._setup_timeout_s = setup_timeout_s
        self.error = ""

    @property
    def grpc_options(self) -> list[tuple[str, Any]]:
        return self._options

    @grpc_options.setter
    def grpc_options(self, options: list[tuple[str, Any]]) -> None:
        limit = ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES)
        self._options = [*options, limit]

    async def init(self) -> tuple[bool, Any]:
        """Connect and set up; raises OSError for a socket that is not the model's."""
        if self.ip == "unix":
            check_socket(str(self.port), owner=self.infos.get("socket_uid"))
        return await super().init()

    async def setup(self, grpc_channel: Any) -> tuple[bool, Any]:
        if self.closed:
            # While it connected. A stub on a channel that is gone reads freed memory:
            # gRPC's core was seen to spin there for ever, and the loop with it.
            return False, self.ErrorType.ABORTED
        self.grpc_stub = DynamicSubclassServiceStub(grpc_channel)
        try:
            async with asyncio.timeout(self._setup_timeout_s):
                return await self.set_up()
        except TimeoutError:
            self.error = f"setup did not finish within {self._setup_timeout_s:g} s"
        except AioRpcError as error:
            if error.code() is not StatusCode.RESOURCE_EXHAUSTED:
                raise
            if "larger than max" in (error.details() or ""):
                self.error = "what its setup said is too long to be told"
                return False, self.ErrorType.FAILED
            self.error = "still busy with an earlier call"
        return False, self.ErrorType.GRPC_CONNECTION_FAILED

    async def set_up(self) -> tuple[bool, Any]:
        """Have the runner instantiate the model; also after it restarted."""
        response = await self.grpc_stub.Setup(
            SetupRequest(
                className=self.base_classname,
                instanceArguments=self.instance_args,
                instanceKwArguments=self.instance_kwargs,
            )
        )
        status = response.status
        if status.code == "SUCCESS":
            self.error = ""
            return True, None
        self.error = readable(status.message or status.code)
        if status.code == "INVALID_ARGUMENT":
            raise InvalidCoordinatorUsageError(self.error)
        if status.code == "BAD_IMPLEMENTATION":
            return False, self.ErrorType.BAD_IMPLEMENTATION
        return False, self.ErrorType.FAILED


class Cluster(ModelCluster):
    """All models of a crunch: announced, being connected, and live."""

    def __init__(
        self,
        *,
        crunch_id: str,
        host: str,
        port: int,
        create_runner: Callable[..., Runner],
        on_joined: Callable[[Runner], Awaitable[None]],
    ) -> None:
        super().__init__(crunch_id, host, port, create_runner)
        disarm(vars(self)["ws_client"])
        self.ws_client: Any = Link(host, port, crunch_id, self.handle_event)
        self.announced: dict[str, ModelIdentity] = {}
        self.troubles: dict[str, str] = {}
        self.initialised = asyncio.Event()
        self._missing_since: dict[str, float] = {}
        self._told_stopped_at: dict[str, float] = {}
        self._listed_at = math.inf
        self._on_joined = on_joined
        self._tasks: set[asyncio.Task[None]] = set()

    def roster(self) -> list[ModelIdentity]:
        """Every announced model, with its state and last error.

        One that has stopped is told of at least twice, then it and what it said are
        forgotten.
        """
        now = time.monotonic()
        for model_id, since in list(self._missing_since.items()):
            if now - since > GRACE_S:
                self._set_state(model_id, "STOPPED")
                del self._missing_since[model_id]
        told = list(self.announced.values())
        for identity in told:
            if identity.state != "STOPPED":
                self._told_stopped_at.pop(identity.model_id, None)
            elif now - self._told_stopped_at.setdefault(identity.model_id, now) > (
                GRACE_S
            ):
                self._forget(identity.model_id)
        return told

    def _forget(self, model_id: str) -> None:
        for known in (self.announced, self.troubles, self._told_stopped_at):
            known.pop(model_id, None)

    async def handle_event(self, event_type: str, data: Any) -> None:
        models = models_of(data) if event_type in ("init", "update") else None
        if models is None:
            return
        for model in models:
            self._announce(model)
        if event_type == "init":
            for model_id in self.announced.keys() - {m["model_id"] for m in models}:
                if self.announced[model_id].state == "RUNNING":
                    self._set_state(model_id, "RECOVERING")
                    self._missing_since[model_id] = time.monotonic()
        await super().handle_event(event_type, models)
        if event_type == "init":
            self._listed_at = time.monotonic()
            self.initialised.set()

    @property
    def is_complete(self) -> bool:
        """Whether a model that was never announced here has left the crunch.

        The orchestrator first lists the models that run; one that is being restarted
        is announced within `GRACE_S`.
        """
        return self.ws_client.is_open and time.monotonic() - self._listed_at > GRACE_S

    def _announce(self, model: dict[str, Any]) -> None:
        model_id = model["model_id"]
        before = self.announced.get(model_id)
        is_other = before is not None and before.deployment_id != model["deployment_id"]
        if is_other and model["state"] != "RUNNING":
            return  # news of a deployment that has been replaced
        self._missing_since.pop(model_id, None)
        error = self.troubles.get(model_id, "")
        self.announced[model_id] = identity_of(model, error=error)

    def _set_state(self, model_id: str, state: State) -> None:
        self.announced[model_id] = replace(self.announced[model_id], state=state)

    def note(self, model_id: str, trouble: str) -> None:
        """Keep what went wrong with a model's connection; empty when it is mended."""
        if trouble:
            self.troubles[model_id] = trouble
        else:
            self.troubles.pop(model_id, None)
        if identity := self.announced.get(model_id):
            self.announced[model_id] = replace(identity, error=trouble)

    async def add_model_runner(self, model_runner: Runner) -> None:
        """Start connecting and return at once; replaces the model's older runner."""
        model_id = model_runner.model_id
        places = (self.models_run, self.pending_model_runs)
        older = [runner for place in places if (runner := place.pop(model_id, None))]
        self.pending_model_runs[model_id] = model_runner
        self.spawn(self._connect(model_runner))
        for runner in older:
            await runner.close()

    async def reconnect_model_runner(self, model_runner: Runner) -> None:
        """Connect anew, unless a newer deployment has taken the model's place."""
        if self.models_run.get(model_runner.model_id) is model_runner:
            await self.add_model_runner(
                self.model_factory(
                    deployment_id=model_runner.deployment_id,
                    model_id=model_runner.model_id,
                    model_name=model_runner.model_name,
                    ip=model_runner.ip,
                    port=model_runner.port,
                    infos=model_runner.infos,
                )
            )

    async def _connect(self, runner: Runner) -> None:
        """Connect, set up, replay, go live; tries until the model is withdrawn."""
        attempt = 0
        while not runner.closed:
            attempt += 1
            is_live, failure = await self._attempt(runner)
            if runner.closed:
                await runner.close()  # channels that were opened while it was closing
                return
            if is_live:
                self.note(runner.model_id, "")
                del self.pending_model_runs[runner.model_id]
                self.models_run[runner.model_id] = runner
                log.info("model.joined", model=runner.model_id)
                return
            self.note(runner.model_id, runner.error)
            await _close_channels(runner)
            if failure in ("BAD_IMPLEMENTATION", "MULTIPLE_FAILED"):
                await self.process_failure(runner, failure, runner.error)
                return
            if failure and attempt % ATTEMPTS_A_REPORT == 0:
                await self.report(runner, failure, runner.error)
            await asyncio.sleep(backoff(attempt, first_s=0.25, most_s=LONGEST_PAUSE_S))

    async def _attempt(self, runner: Runner) -> tuple[bool, str]:
        """One attempt; returns whether the model is ready, else the failure's code.

        The code is empty when the fault is not the model's.
        """
        kinds = Runner.ErrorType
        runner.error = ""
        try:
            is_set_up, kind = await runner.init()
            if is_set_up:
                await self._on_joined(runner)
                return True, ""
        except InvalidCoordinatorUsageError as error:
            runner.error = message_of(error)
            log.warning(
                "gateway.misconfigured", model=runner.model_id, error=runner.error
            )
            return False, ""
        except Exception as error:  # noqa: BLE001  an address that is none
            runner.error = (
                f"connection failed at {runner.ip}:{runner.port}: {message_of(error)}"
            )
            return False, "CONNECTION_FAILED"
        if kind is kinds.BAD_IMPLEMENTATION:
            return False, "BAD_IMPLEMENTATION"
        if kind is kinds.FAILED:
            return False, "MULTIPLE_FAILED"
        if not runner.error:
            trouble = "authentication" if kind is kinds.AUTH_ERROR else "connection"
            runner.error = f"{trouble} failed at {runner.ip}:{runner.port}"
        return False, "CONNECTION_FAILED"

    async def process_failure(
        self, model_runner: Runner, failure_code: str, failure_reason: str | None = None
    ) -> None:
        """Report a model for good and let go of it, with the reason for its owner."""
        self.note(model_runner.model_id, failure_reason or failure_code)
        await self.report(model_runner, failure_code, failure_reason)
        await self.remove_model_runner(model_runner)

    async def report(self, runner: Runner, code: str, reason: str | None) -> None:
        log.warning("model.reported", model=runner.model_id, code=code, reason=reason)
        report = {
            "model_id": runner.model_id,
            "failure_code": code,
            "failure_reason": reason,
            "ip": runner.ip,
        }
        await self.ws_client.send_message(
            json.dumps({"event": "report_failure", "data": [report]})
        )

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background, referenced until it ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("gateway.background_failed", error=describe(error))

    async def aclose(self) -> None:
        # Closed first: a task whose cancellation got lost (asyncio.wait_for, when what
        # it waits for ends at that moment) then ends by itself.
        runners = [*self.models_run.values(), *self.pending_model_runs.values()]
        await asyncio.gather(*(self.remove_model_runner(r) for r in runners))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.ws_client.disconnect()


class Client(DynamicSubclassModelConcurrentRunner):
    """The client's facade over the hardened cluster and runners."""

    def __init__(
        self,
        *,
        on_joined: Callable[[Runner], Awaitable[None]],
        setup_timeout_s: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        disarm(vars(self)["model_cluster"].ws_client)
        self._setup_timeout_s = setup_timeout_s
        self.model_cluster: Any = Cluster(
            crunch_id=kwargs["crunch_id"],
            host=self.host,
            port=self.port,
            create_runner=self.create_model_runner,
            on_joined=on_joined,
        )

    def create_model_runner(self, **kwargs: Any) -> Runner:
        return Runner(
            self.base_classname,
            secure_credentials=self.secure_credentials,
            gateway_credentials=self.gateway_credentials,
            setup_timeout_s=self._setup_timeout_s,
            **kwargs,
        )


async def _close_channels(runner: Runner) -> None:
    for channel in (runner.grpc_channel, runner.grpc_health_channel):
        if channel is not None:
            await channel.close()
    runner.grpc_channel = runner.grpc_health_channel = None
