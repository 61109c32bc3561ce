"""Hold the gateways of a worker process: one per competition that it owns."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import psycopg2
import structlog
from billiard.process import current_process
from django.conf import settings
from django.db import connection

from competitions.gateway import credentials
from competitions.gateway.errors import GatewayError
from competitions.gateway.gateway import ModelGateway
from competitions.gateway.types import Call
from competitions.gateway_pool.ownership import GatewayOwnership, claim_competition
from competitions.models import Competition
from competitions.rounds.build_question import newest_feeds

log = structlog.get_logger(__name__)


# Between two checks whether a lock is still held, in seconds.
WATCH_S = 0.5


@dataclass
class _Owned:
    ownership: GatewayOwnership
    gateway: ModelGateway
    dropped: threading.Event = field(default_factory=threading.Event)


_owned: dict[str, _Owned] = {}
_lock = threading.Lock()


def gateway_of(competition_key: str) -> ModelGateway | None:
    """Return a competition's gateway, started on first use; None if another owns it.

    A stuck one is replaced. One whose lock was lost is closed at once, even in the
    middle of a round: its successor may be asking already. Raises GatewayError in a
    prefork child.
    """
    _refuse_prefork()
    while True:
        with _lock:
            owned = _owned.get(competition_key)
            if owned is None:
                return _begin(competition_key)
            if owned.ownership.is_held() and not owned.gateway.is_stuck:
                return owned.gateway
            del _owned[competition_key]
        _lose(owned)  # starting takes a while; other competitions need not wait for it


def _begin(key: str) -> ModelGateway | None:
    """Claim the lock and start a gateway. The caller must hold `_lock`."""
    ownership = _claim(key)
    if ownership is None:
        return None
    try:
        gateway = new_gateway(key)
        gateway.start()
    except BaseException:
        ownership.release()
        raise
    owned = _owned[key] = _Owned(ownership, gateway)
    threading.Thread(
        target=_watch, args=(key, owned), name=f"watch-{key}", daemon=True
    ).start()
    log.info("gateway.owned", competition=key)
    return gateway


def close_ended() -> None:
    """Close the gateways of competitions that have ended, or are no longer there.

    One statement, none in a process that owns no gateway.
    """
    with _lock:
        keys = set(_owned)
    if not keys:
        return
    kept = Competition.objects.filter(slug__in=keys).exclude(
        status=Competition.Status.ENDED
    )
    gone = keys.difference(kept.values_list("slug", flat=True))
    with _lock:
        ended = [_owned.pop(key) for key in gone if key in _owned]
    for owned in ended:
        log.info("gateway.competition_ended", competition=owned.ownership.key)
        _close(owned)


def close_all() -> None:
    """Close every gateway and release its lock; called when the worker ends."""
    with _lock:
        while _owned:
            _close(_owned.popitem()[1])


def new_gateway(competition_key: str) -> ModelGateway:
    """Build a gateway from the settings, not started."""
    env = settings.ENV
    return ModelGateway(
        host=env.model_runner_node_host or "127.0.0.1",
        port=env.model_runner_node_port,
        crunch_id=competition_key,
        base_classname=env.model_base_classname,
        timeout_s=env.model_runner_timeout_s,
        credentials=credentials.load(
            secure_dir=env.secure_cert_dir, gateway_dir=env.gateway_cert_dir
        ),
        on_joined=lambda _: _feeds_of_second(competition_key, int(time.monotonic())),
    )


@lru_cache(maxsize=8)
def _feeds_of_second(competition_key: str, _: int) -> Sequence[Call]:
    """Read once for the many models that join at once, in a thread of the gateway's."""
    try:
        return newest_feeds(slug=competition_key)
    finally:
        connection.close()


def _claim(key: str) -> GatewayOwnership | None:
    try:
        return claim_competition(key, database_url=settings.DATABASE_URL)
    except psycopg2.OperationalError as error:
        log.warning("gateway.claim_failed", competition=key, error=str(error).strip())
        return None


def _watch(key: str, owned: _Owned) -> None:
    """Close gateways whose lock is lost, between rounds and within them."""
    while not owned.dropped.wait(WATCH_S):
        if owned.ownership.is_held():
            continue
        with _lock:
            is_ours = _owned.get(key) is owned
            if is_ours:
                del _owned[key]
        if is_ours:
            _lose(owned)
        return


def _lose(owned: _Owned) -> None:
    log.warning(
        "gateway.stuck" if owned.gateway.is_stuck else "gateway.ownership_lost",
        competition=owned.ownership.key,
    )
    _close(owned)


def _close(owned: _Owned) -> None:
    owned.dropped.set()
    owned.gateway.close()
    owned.ownership.release()


def _refuse_prefork() -> None:
    """Refuse prefork workers: their children would compete, and forks break gRPC."""
    name = current_process().name
    if name.startswith("ForkPoolWorker"):
        raise GatewayError(
            f"the models' queue was consumed by {name}, a prefork child; give it a "
            "worker of its own: celery -A crunchsite worker -Q models -P threads"
        )
