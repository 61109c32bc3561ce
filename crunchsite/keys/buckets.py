"""Token buckets in Valkey: each refills evenly, and holds at most a minute's worth."""

import math
import time
from dataclasses import dataclass
from functools import cache

import structlog
from django.conf import settings
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

log = structlog.get_logger(__name__)

# No request waits longer for its bucket; while Valkey is down, few requests ask it at
# all.
TIMEOUT_S = 0.5
PAUSE_S = 5.0
# Uses Valkey's clock, one for all processes; if it goes back, no token is lost.
TAKE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local size = tonumber(ARGV[1])
local per_s = size / 60
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local passed = math.max(0, now - (tonumber(kept[2]) or now))
local tokens = math.min(size, (tonumber(kept[1]) or size) + passed * per_s)
local taken = 0
if tokens >= 1 then
  taken, tokens = 1, tokens - 1
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens),
           'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 61)
return {taken, string.format('%.6f', tokens)}
"""


@dataclass(frozen=True)
class BucketLevel:
    """The state of a bucket after a request has asked for a token."""

    size: int
    tokens: float
    is_taken: bool

    @property
    def remaining(self) -> int:
        return math.floor(self.tokens)

    @property
    def full_in_s(self) -> int:
        return math.ceil((self.size - self.tokens) * 60 / self.size)

    @property
    def next_in_s(self) -> int:
        """Return whole seconds until there is a token."""
        return max(1, math.ceil((1 - self.tokens) * 60 / self.size))


class Buckets:
    """The buckets of the site; while Valkey is down, no limit and no wait."""

    def __init__(self) -> None:
        self._is_down = False
        self._asked_again_at = 0.0

    def take(self, name: str, *, per_minute: int) -> BucketLevel | None:
        """Take a token; None if Valkey does not answer, and the request passes."""
        if self._is_down and time.monotonic() < self._asked_again_at:
            return None
        try:
            taken, tokens = _script(settings.REDIS_URL)(
                keys=[f"crunchsite-rate:{name}"], args=[per_minute]
            )
        except (RedisError, OSError) as error:
            self._asked_again_at = time.monotonic() + PAUSE_S
            if not self._is_down:
                self._is_down = True
                log.warning("rate.unlimited", error=str(error))
            return None
        if self._is_down:
            self._is_down = False
            log.info("rate.limited")
        return BucketLevel(size=per_minute, tokens=float(tokens), is_taken=bool(taken))


@cache
def _script(url: str) -> Script:
    client = Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    return client.register_script(TAKE)
