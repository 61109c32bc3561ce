"""`manage.py up`: starts every part in order, keeps it alive, stops it cleanly."""

import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import requests
from django.conf import settings
from django.core.management import call_command

from competitions.local_models import control as local_models
from core.files import write_file
from crunchsite.settings.env import BASE_DIR
from crunchsite.settings.secret import kept_secret
from crunchsite.stack import demo
from crunchsite.stack.errors import StackError
from crunchsite.stack.postgres import Postgres
from crunchsite.stack.processes import Child, wait_until
from crunchsite.stack.valkey import Valkey
from feeds import clock
from feeds.providers import replay

# A part that dies is started again after 1, 2, 4, ... seconds, at most this many.
LONGEST_BACKOFF_S = 30
CLOCK_SAVE_EVERY_S = 5


class Supervisor:
    """The embedded stack as one object: `start`, `watch`, `stop`."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._var: Path = settings.VAR_DIR
        self._env = settings.ENV
        self._log = self._var / "log"
        self._servers: list[Postgres | Valkey] = []
        self._children: list[Child] = []
        self._lock: IO[str] | None = None
        self._clock_is_ours = False
        self._stopping = False

    # --- start

    def start(self) -> None:
        """Bring everything up; on any failure what was started is stopped again."""
        self._take_lock()
        try:
            self._check_port()
            demo.check(self._var)
            self._start_clock()
            self._start_servers()
            self._migrate()
            self._ensure_operator()
            with_models = self._start_models()
            self._step("demo competition", demo.ensure)
            self._start_workers(with_models)
            self._wait_for_site()
        except BaseException:
            self.stop()
            raise
        self._announce()

    def _take_lock(self) -> None:
        self._var.mkdir(parents=True, exist_ok=True)
        self._lock = (self._var / "up.lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            running = json.loads(self._lock.read() or "{}")
            self._lock = None
            raise StackError(
                f"crunchsite is already running here (process {running.get('pid')}, "
                f"{running.get('url')}); stop it with Ctrl-C where it runs."
            ) from None
        self._lock.truncate(0)
        self._lock.write(json.dumps({"pid": os.getpid(), "url": self.url}))
        self._lock.flush()

    @property
    def url(self) -> str:
        return f"http://localhost:{self._env.port}"

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._env.port))
            except OSError as error:
                raise StackError(
                    f"port {self._env.port} cannot be used ({error.strerror}); "
                    "free it, or choose another with PORT=8001."
                ) from None

    def _start_clock(self) -> None:
        """Continue the site's clock where it stood, or start it anew."""
        file = clock.clock_file()
        env = self._env
        is_replay = env.feed_source == "replay"
        if env.clock_anchor or (
            env.clock_speed == 1.0 and not env.clock_start and not is_replay
        ):
            file.unlink(missing_ok=True)
            return
        anchor = clock.wall_now()
        if file.exists():
            start = clock.Clock.from_json(file.read_text()).start
        elif env.clock_start:
            start = clock.parse_instant(env.clock_start, "CLOCK_START")
        elif is_replay:
            start = replay.first_instant(Path(env.feed_replay_path))
        else:
            start = anchor
        ours = clock.Clock(start=start, anchor=anchor, speed=env.clock_speed)
        write_file(file, ours.to_json())
        clock.install(ours)
        self._clock_is_ours = True

    def _save_clock(self) -> None:
        """While the stack is down the clock stands still: keep what it shows now."""
        if self._clock_is_ours:
            shown = clock.now()
            saved = clock.Clock(
                start=shown, anchor=clock.wall_now(), speed=clock.speed()
            )
            write_file(clock.clock_file(), saved.to_json())

    def _start_servers(self) -> None:
        if not self._env.database_url:
            self._start_server("PostgreSQL", Postgres(self._var))
        if not self._env.redis_url:
            self._start_server("Valkey", Valkey(self._var))

    def _start_server(self, name: str, server: Postgres | Valkey) -> None:
        self._servers.append(server)
        self._step(name, server.start)

    def _migrate(self) -> None:
        self._step("migrations", lambda: call_command("migrate", verbosity=0))

    def _ensure_operator(self) -> None:
        from django.contrib.auth import get_user_model

        users = get_user_model().objects
        if not users.filter(username="admin").exists():
            users.create_superuser("admin", password=self.admin_password)

    @property
    def admin_password(self) -> str:
        return kept_secret(self._var / "admin_password")[:16]

    def _start_models(self) -> dict[str, str]:
        """Start the local models, unless an orchestrator is given; returns where."""
        if self._env.model_runner_node_host:
            return {}
        if not self._env.local_models_dir:
            local_models.begin(settings.LOCAL_MODELS_DIR)
        port = free_port()
        self._add(
            "models",
            [
                *(sys.executable, "-m", "competitions.local_models"),
                *("--models", settings.LOCAL_MODELS_DIR),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--crunch-id", demo.SLUG, "--logs", settings.MODELS_LOG_DIR),
            ],
            # Participants' code sees no setting and no secret.
            env={"PATH": os.defpath, "PYTHONPATH": str(BASE_DIR), "LANG": "C.UTF-8"},
        )
        return {
            "MODEL_RUNNER_NODE_HOST": "127.0.0.1",
            "MODEL_RUNNER_NODE_PORT": str(port),
        }

    def _start_workers(self, extra: dict[str, str]) -> None:
        env = {**os.environ, **extra}  # noqa: TID251  children inherit the environment
        scripts = Path(sys.executable).parent
        self._add(
            "worker",
            [scripts / "celery", "-A", "crunchsite", "worker", "-B", "-l", "WARNING"],
            env=env,
        )
        self._add(
            "web",
            [
                *(scripts / "waitress-serve", "--threads=8"),
                *("--connection-limit=1000", "--max-request-body-size=67108864"),
                f"--listen=127.0.0.1:{self._env.port}",
                "crunchsite.wsgi:application",
            ],
            env=env,
        )

    def _add(self, name: str, command: list[Any], *, env: dict[str, str]) -> None:
        child = Child(
            name,
            command,
            log_path=self._log / f"{name}.log",
            env=env,
            cwd=BASE_DIR,
        )
        self._children.append(child)
        self._step(name, child.start)

    def _wait_for_site(self) -> None:
        def ready() -> bool:
            dead = [c for c in self._children if not c.is_running()]
            if dead:
                raise StackError(
                    f"{dead[0].name} ended with {dead[0].exit_code()}; the end of "
                    f"{dead[0].log_path}:\n{dead[0].log_tail()}"
                )
            with suppress(requests.RequestException):
                return requests.get(f"{self.url}/readyz", timeout=2).ok
            return False

        def wait() -> None:
            if not wait_until(ready, timeout_s=60, every_s=0.2):
                raise StackError(
                    f"the site did not become ready; see {self._log / 'web.log'} and "
                    f"{self.url}/readyz."
                )

        self._step("site", wait)

    def _step(self, name: str, work: Callable[[], Any]) -> None:
        start = time.monotonic()
        work()
        self._say(f"  {name:<18} ready in {time.monotonic() - start:4.1f} s")

    def _announce(self) -> None:
        self._say(
            "\n".join(
                [
                    "",
                    f"  Leaderboard   {self.url}/",
                    f"  Report API    {self.url}/docs",
                    f"  Admin         {self.url}/admin/ (admin: {self.admin_password})",
                    f"  Logs          {self._log}",
                    "",
                    "  First scores follow in about two minutes. Stop with Ctrl-C.",
                ]
            )
        )

    # --- watch and stop

    def watch(self) -> None:
        """Restart what dies until asked to stop (SIGINT or SIGTERM)."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        backoff = {child.name: 1.0 for child in self._children}
        retry_at: dict[str, float] = {}
        saved_at = time.monotonic()
        while not self._stopping:
            time.sleep(0.25)
            now = time.monotonic()
            if now - saved_at > CLOCK_SAVE_EVERY_S:
                self._save_clock()
                saved_at = now
            for child in self._children:
                if child.is_running():
                    continue
                if child.name not in retry_at:
                    self._say(
                        f"  {child.name} ended with {child.exit_code()}; "
                        f"starting it again (see {child.log_path})"
                    )
                    retry_at[child.name] = now + backoff[child.name]
                    backoff[child.name] = min(
                        2 * backoff[child.name], LONGEST_BACKOFF_S
                    )
                elif now >= retry_at[child.name]:
                    del retry_at[child.name]
                    child.start()

    def _ask_to_stop(self, *_: object) -> None:
        self._stopping = True

    def stop(self) -> None:
        """Stop in the opposite order, the servers last; safe to call at any point."""
        self._save_clock()
        for part in [*reversed(self._children), *reversed(self._servers)]:
            part.stop()
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
