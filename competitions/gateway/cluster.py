"""All models of a crunch: a safer subclass of the real client's cluster.

Differences: models are connected in the background, one task each, so that a slow or
dead one delays no other; the gateway counts failures (lapses.py); everything can be
closed.
"""

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

import structlog
from model_runner_client.errors import InvalidCoordinatorUsageError
from model_runner_client.model_cluster import ModelCluster

from competitions.gateway.announcements import AnnouncedModel, identity_of, models_of
from competitions.gateway.link import Link, disarm
from competitions.gateway.model_runner import Runner, close_channels
from competitions.gateway.types import ModelIdentity, State
from core.backoff import backoff
from core.texts import describe, message_of

log = structlog.get_logger(__name__)

LONGEST_PAUSE_S = 15.0
# A model that the orchestrator no longer lists may come back within this time.
GRACE_S = 120.0
# Rounds wait so long for models to be connected, once the orchestrator has listed them.
SETTLE_S = 2.0
# Attempts between two reports of a model that cannot be reached (~10 s each).
ATTEMPTS_A_REPORT = 3


class Cluster(ModelCluster):
    """All models of a crunch: announced, being connected, and live."""

    ws_client: Link

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
        disarm(self.ws_client)
        self.ws_client = Link(host, port, crunch_id, self.handle_event)
        self.announced: dict[str, ModelIdentity] = {}
        self.errors: dict[str, str] = {}
        self.initialised = asyncio.Event()
        self._missing_since: dict[str, float] = {}
        self._stopped_at: dict[str, float] = {}
        self._listed_at = math.inf
        self._on_joined = on_joined
        self._tasks: set[asyncio.Task[None]] = set()

    def roster(self) -> list[ModelIdentity]:
        """Return every announced model, with its state and last error.

        A stopped model is returned for another `GRACE_S`, then it is forgotten with its
        error.
        """
        now = time.monotonic()
        for model_id, since in list(self._missing_since.items()):
            if now - since > GRACE_S:
                self._set_state(model_id, "STOPPED")
                del self._missing_since[model_id]
        identities = list(self.announced.values())
        for identity in identities:
            if identity.state != "STOPPED":
                self._stopped_at.pop(identity.model_id, None)
            elif now - self._stopped_at.setdefault(identity.model_id, now) > (GRACE_S):
                self._forget(identity.model_id)
        return identities

    def _forget(self, model_id: str) -> None:
        for known in (self.announced, self.errors, self._stopped_at):
            known.pop(model_id, None)

    async def handle_event(self, event_type: str, data: Any) -> None:
        models = models_of(data) if event_type in ("init", "update") else None
        if models is None:
            return
        for model in models:
            self._announce(model)
        if event_type == "init":
            await self._miss_others({model["model_id"] for model in models})
        await super().handle_event(event_type, models)
        if event_type == "init":
            self._listed_at = time.monotonic()
            self.initialised.set()

    async def _miss_others(self, listed: set[str]) -> None:
        """Note the models that an orchestrator does not list: it may start them yet.

        A failure to connect to what they were is not reported: it would blame the
        process that is started now.
        """
        for model_id in self.announced.keys() - listed:
            if self.announced[model_id].state != "STOPPED":
                self._set_state(model_id, "RECOVERING")
                self._missing_since.setdefault(model_id, time.monotonic())
        pending = [
            r for r in self.pending_model_runs.values() if r.model_id not in listed
        ]
        for runner in pending:
            await self.remove_model_runner(runner)

    @property
    def is_complete(self) -> bool:
        """Return whether a model that was never announced here has left the crunch.

        The orchestrator first lists the models that run; one that is being restarted
        is announced within `GRACE_S`.
        """
        return self.ws_client.is_open and time.monotonic() - self._listed_at > GRACE_S

    @property
    def is_settled(self) -> bool:
        """Return whether the models that were listed or missing are connected again.

        One that failed is not waited for, and none longer than `SETTLE_S`.
        """
        if time.monotonic() - self._listed_at > SETTLE_S:
            return True
        # Copies: this is read from other threads.
        connecting = self.pending_model_runs.copy().keys() - self.errors.copy().keys()
        return not (connecting or self._missing_since)

    def _announce(self, model: AnnouncedModel) -> None:
        model_id = model["model_id"]
        before = self.announced.get(model_id)
        is_other = before is not None and before.deployment_id != model["deployment_id"]
        if is_other and model["state"] != "RUNNING":
            return  # an event about a deployment that has been replaced
        self._missing_since.pop(model_id, None)
        error = self.errors.get(model_id, "")
        self.announced[model_id] = identity_of(model, error=error)

    def _set_state(self, model_id: str, state: State) -> None:
        self.announced[model_id] = replace(self.announced[model_id], state=state)

    def record_error(self, model_id: str, error: str) -> None:
        """Store a model's newest connection error; an empty text clears it."""
        if error:
            self.errors[model_id] = error
        else:
            self.errors.pop(model_id, None)
        if identity := self.announced.get(model_id):
            self.announced[model_id] = replace(identity, error=error)

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
        """Reconnect, unless a newer deployment has replaced the model."""
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
        """Connect, set up, replay and go live; repeat until the model is withdrawn."""
        attempt = 0
        while not runner.closed:
            attempt += 1
            is_live, failure = await self._attempt(runner)
            if runner.closed:
                await runner.close()  # the channels were opened while it was closing
                return
            if is_live:
                self.record_error(runner.model_id, "")
                del self.pending_model_runs[runner.model_id]
                self.models_run[runner.model_id] = runner
                log.info("model.joined", model=runner.model_id)
                return
            self.record_error(runner.model_id, runner.error)
            await close_channels(runner)
            if failure in ("BAD_IMPLEMENTATION", "MULTIPLE_FAILED"):
                await self.process_failure(runner, failure, runner.error)
                return
            if failure and attempt % ATTEMPTS_A_REPORT == 0:
                await self.report(runner, failure, runner.error)
            await asyncio.sleep(backoff(attempt, first_s=0.25, most_s=LONGEST_PAUSE_S))

    async def _attempt(self, runner: Runner) -> tuple[bool, str]:
        """Try once; returns whether the model is ready, else the failure's code.

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
        except Exception as error:  # noqa: BLE001  an address may be anything
            runner.error = (
                f"connection failed at {runner.ip}:{runner.port}: {message_of(error)}"
            )
            return False, "CONNECTION_FAILED"
        if kind is kinds.BAD_IMPLEMENTATION:
            return False, "BAD_IMPLEMENTATION"
        if kind is kinds.FAILED:
            return False, "MULTIPLE_FAILED"
        if not runner.error:
            what = "authentication" if kind is kinds.AUTH_ERROR else "connection"
            runner.error = f"{what} failed at {runner.ip}:{runner.port}"
        return False, "CONNECTION_FAILED"

    async def process_failure(
        self, model_runner: Runner, failure_code: str, failure_reason: str | None = None
    ) -> None:
        """Report and remove a model; its owner sees the reason."""
        self.record_error(model_runner.model_id, failure_reason or failure_code)
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
        """Run work in the background; its failure is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("gateway.background_failed", error=describe(error))

    async def aclose(self) -> None:
        # Closed first: a task whose cancellation was swallowed (by asyncio.wait_for, if
        # the awaited work ends at that moment) then ends by itself.
        runners = [*self.models_run.values(), *self.pending_model_runs.values()]
        await asyncio.gather(*(self.remove_model_runner(r) for r in runners))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.ws_client.disconnect()
