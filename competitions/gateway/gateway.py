"""Connect one competition to its models: a thread with an event loop and the client.

A plain class: no Celery, no Django models. Services call it from any thread.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from competitions.gateway.errors import GatewayError
from competitions.gateway.types import Call, ModelIdentity, RoundAnswers

if TYPE_CHECKING:
    from competitions.gateway.asking import Asker

_T = TypeVar("_T")

log = structlog.get_logger(__name__)

# Number of feed updates that a model which (re)joins gets before its first question.
REPLAYED_FEEDS = 20
# How much longer than the models' own time limits a round may take.
ROUND_MARGIN_S = 60.0
CLOSE_S = 10.0


class ModelGateway:
    """Ask all models of a crunch; each gets one answer per round.

    `start` returns at once: the orchestrator and the models are connected in the
    background, each by itself, for as long as the gateway lives. `timeout_s` limits
    each call to a model, so a round lasts at most twice that. A model that joins is
    shown the newest feed updates of this gateway; before there are any, the calls that
    `on_joined` gives, which runs in a thread of its own.

    `is_stuck` is True once the loop did not answer in time: replace such a gateway.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        crunch_id: str,
        base_classname: str,
        timeout_s: float,
        setup_timeout_s: float = 120.0,
        max_consecutive_failures: int = 100,
        max_consecutive_timeouts: int = 100,
        credentials: Any = None,
        on_joined: Callable[[ModelIdentity], Sequence[Call]] | None = None,
    ) -> None:
        self.crunch_id = crunch_id
        self._client_options = {
            "host": host,
            "port": port,
            "crunch_id": crunch_id,
            "base_classname": base_classname,
            "timeout": timeout_s,
            "max_consecutive_failures": max_consecutive_failures,
            "max_consecutive_timeouts": max_consecutive_timeouts,
            "setup_timeout_s": setup_timeout_s,
        }
        self._credentials = credentials
        self._on_joined = on_joined
        self._feeds: deque[Call] = deque(maxlen=REPLAYED_FEEDS)
        self._timeout_s = timeout_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asker: Asker | None = None
        self._thread: threading.Thread | None = None
        self.is_stuck = False

    def start(self) -> None:
        """Start the loop's thread and begin to connect."""
        if self._thread is not None:
            raise GatewayError(f"the gateway of {self.crunch_id} was started twice.")
        # Imports the client, which is heavy and must not be forked.
        from competitions.gateway.asking import Asker

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever,
            name=f"gateway-{self.crunch_id}",
            daemon=True,
        )
        self._thread.start()

        async def begin() -> "Asker":
            asker = Asker(
                **self._client_options,
                **self._credential_options(),
                history=self._history,
            )
            asker.begin()
            return asker

        try:
            self._asker = self._on_loop(begin(), timeout_s=30)
        except BaseException:
            self.close()
            raise

    def _credential_options(self) -> dict[str, Any]:
        if self._credentials is None:
            return {}
        from model_runner_client.security.credentials import SecureCredentials

        is_secure = isinstance(self._credentials, SecureCredentials)
        name = "secure_credentials" if is_secure else "gateway_credentials"
        return {name: self._credentials}

    def _history(self, identity: ModelIdentity) -> Sequence[Call]:
        if self._feeds or self._on_joined is None:
            return list(self._feeds)
        return self._on_joined(identity)

    @property
    def is_connected(self) -> bool:
        """Return whether the orchestrator's roster is known and its link is open."""
        return self._asker is not None and self._asker.is_connected

    @property
    def is_roster_complete(self) -> bool:
        """Return whether models that are missing from the roster have certainly left.

        True once the link to the orchestrator has been open for two minutes.
        """
        return self._asker is not None and self._asker.is_roster_complete

    @property
    def is_settled(self) -> bool:
        """Return whether the roster is known, and its models had time to be connected.

        True two seconds after the orchestrator has listed them, whatever they do, and
        earlier once each is connected or has failed.
        """
        asker = self._asker
        return asker is not None and asker.is_settled

    @property
    def outage(self) -> str:
        """Return why no model at all can be asked; empty if one may be.

        It is an outage of the site while neither the orchestrator nor any model is
        there. Raises GatewayError when closed.
        """
        return self._require().outage

    def wait_settled(self, timeout_s: float) -> bool:
        """Wait for the roster, and for its models; see `is_settled`."""
        deadline = time.monotonic() + timeout_s
        while not self.is_settled and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.is_settled

    def live(self) -> set[str]:
        """Return the ids of the models that would be asked now."""
        return set() if self._asker is None else self._asker.live()

    def roster(self) -> list[ModelIdentity]:
        """Return every announced model, with state and last error.

        Empty until the orchestrator has answered for the first time.
        """
        return self._on_loop(self._require().roster(), timeout_s=10)

    def ask(
        self, *, feed: Call | None, question: Call, expected: Collection[str]
    ) -> RoundAnswers:
        """Send `feed`, then `question` to every live model; wait for all answers.

        Every id of `expected` gets exactly one answer. One round at a time; another
        caller waits. Raises ArgumentError and MethodMissingError, which are mistakes
        of the competition and count against no model, and GatewayError when closed.
        """
        asker = self._require()
        if feed is not None:
            self._feeds.append(feed)
        return self._on_loop(
            asker.ask(feed=feed, question=question, expected=expected),
            timeout_s=10 * self._timeout_s + ROUND_MARGIN_S,
        )

    def close(self) -> None:
        """Close every connection and end the thread; open calls are cancelled."""
        asker, self._asker = self._asker, None
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            return
        try:
            if asker is not None:
                asyncio.run_coroutine_threadsafe(asker.aclose(), loop).result(CLOSE_S)
        except TimeoutError:
            log.warning("gateway.close_timed_out", crunch=self.crunch_id)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CLOSE_S)
        if not thread.is_alive():
            loop.close()

    def _require(self) -> "Asker":
        if self._asker is None:
            raise GatewayError(f"the gateway of {self.crunch_id} is closed.")
        return self._asker

    def _on_loop(self, work: Coroutine[Any, Any, _T], *, timeout_s: float) -> _T:
        assert self._loop is not None  # start() made it
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except CancelledError:
            raise GatewayError(f"the gateway of {self.crunch_id} was closed.") from None
        except TimeoutError:
            future.cancel()
            self.is_stuck = True
            raise GatewayError(
                f"the gateway of {self.crunch_id} gave no answer within {timeout_s} s."
            ) from None
