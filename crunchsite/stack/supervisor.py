"""`manage.py up`: start every part in order, keep it running, stop it cleanly."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError, connection

from competitions.local_models.sandbox import trouble_with_level_2
from competitions.local_models.trees import OwnedFolder
from core.errors import OperatorError
from crunchsite import readiness
from crunchsite.settings.env import BASE_DIR, SITE_DIR
from crunchsite.settings.secret import kept_secret
from crunchsite.stack import demo, example_models, leftovers
from crunchsite.stack.beat_watch import BeatWatch
from crunchsite.stack.errors import StackError
from crunchsite.stack.make_watch import MakeWatch
from crunchsite.stack.part_commands import (
    check_port,
    is_listening,
    models_command,
    web_command,
    worker_command,
)
from crunchsite.stack.postgres import Postgres
from crunchsite.stack.processes import Child, wait_until
from crunchsite.stack.site_clock import SAVE_EVERY_S, SiteClock
from crunchsite.stack.site_lock import SiteLock
from crunchsite.stack.site_parts import Part
from crunchsite.stack.stopping import StopRequests
from crunchsite.stack.valkey import Valkey
from proofs import log_keys

LOOK_EVERY_S = 0.25


class Supervisor:
    """The embedded stack as one object: `start`, `watch`, `stop`."""

    def __init__(self, *, say: Callable[[str], object], requests: StopRequests) -> None:
        self._say = say
        self._requests = requests
        self._make = MakeWatch()
        self._var: Path = settings.VAR_DIR
        self._env = settings.ENV
        self._log = self._var / "log"
        self._parts: list[Part] = []
        self._site_lock = SiteLock(self._var)
        self._clock = SiteClock(self._env)
        self._is_clock_unsaved = False
        self._models_run: OwnedFolder | None = None

    # --- start

    def start(self) -> None:
        """Start every part. The caller calls `stop`, whatever this raises."""
        try:
            self._site_lock.take(self.url)
            demo.check(self._var)
            if ended := ", ".join(self._site_lock.end_leftovers()):
                self._say(f"  An earlier start was killed; ended what it left: {ended}")
            check_port(self._env.port)
            self._check_given_servers()
            self._clock.start()
        except (OperatorError, ImproperlyConfigured, OperationalError):
            self._site_lock.remove_new_folder()
            raise
        self._start_servers()
        self._step("migrations", lambda: call_command("migrate", verbosity=0))
        self._ensure_operator()
        log_keys.ensure_key(f"localhost:{self._env.port}/log")
        with_models = self._start_models()
        self._step("competition", demo.ensure)
        for line in demo.follow_workspace():
            self._say(f"  {line}")
        if with_models and (problem := demo.models_problem()):
            self._say(f"  {problem}")
        self._start_workers(with_models)
        self._wait_for_site()
        self._announce()

    @property
    def url(self) -> str:
        return f"http://localhost:{self._env.port}"

    def _check_given_servers(self) -> None:
        """Check that external servers answer, before anything is created."""
        if self._env.database_url:
            connection.ensure_connection()
        if self._env.redis_url and (problem := readiness.redis_problem()):
            raise StackError(problem)

    def _start_servers(self) -> None:
        if not self._env.database_url:
            self._start_server("PostgreSQL", Postgres(self._var))
        if not self._env.redis_url:
            self._start_server("Valkey", Valkey(self._var))

    def _start_server(self, name: str, server: Postgres | Valkey) -> None:
        def start() -> None:
            server.stop()  # one that was started without us could not be watched
            self._watch_over(name, server.child, is_up=server.answers)
            server.start()

        self._step(name, start)

    def _ensure_operator(self) -> None:
        from django.contrib.auth import get_user_model

        users = get_user_model().objects
        if not users.filter(username="admin").exists():
            users.create_superuser("admin", password=self.admin_password)

    @property
    def admin_password(self) -> str:
        # The files of earlier versions are longer than the password.
        return kept_secret(self._var / "admin_password", length=16)[:16]

    def _start_models(self) -> dict[str, str]:
        """Start the local models, unless an orchestrator is given; returns where."""
        if self._env.model_runner_node_host:
            return {}
        if not self._env.local_models_dir:
            example_models.lay_out()
        level = self._env.local_models_level
        if level == 2 and (trouble := trouble_with_level_2()):
            self._say(
                f"  models             NOT STARTED: this machine cannot lock them in "
                f"({trouble});\n  see docs/operator/models.md, or set "
                "LOCAL_MODELS_LEVEL=1, which isolates them less"
            )
            return {}
        self._models_run = OwnedFolder("crunchsite-orchestrator-")
        socket = self._models_run.path / "orchestrator.sock"
        self._start_part(
            "models",
            models_command(
                socket, level=level, crunch=self._env.local_models_competition
            ),
            # Participants' code sees no setting and no secret.
            env={"PATH": os.defpath, "PYTHONPATH": str(BASE_DIR), "LANG": "C.UTF-8"},
            is_up=socket.exists,
        )
        return {"MODEL_RUNNER_NODE_HOST": str(socket)}

    def _start_workers(self, extra: dict[str, str]) -> None:
        extra |= demo.pool_settings()
        env = {**os.environ, **extra}  # noqa: TID251  children inherit the environment
        self._start_part(
            "worker",
            worker_command(),
            env=env,
            is_up=lambda: True,
        )
        # Another site may have taken it since; its answers would pass for ours.
        check_port(self._env.port)
        self._start_part(
            "web",
            web_command(self._env.port),
            env=env,
            is_up=lambda: is_listening(self._env.port),
        )

    def _start_part(
        self,
        name: str,
        command: list[Any],
        *,
        env: dict[str, str],
        is_up: Callable[[], bool],
    ) -> None:
        child = Child(name, command, var=self._var, env=env, cwd=SITE_DIR)
        self._watch_over(name, child, is_up=is_up)
        self._step(name, child.start)

    def _watch_over(
        self, name: str, child: Child, *, is_up: Callable[[], bool]
    ) -> None:
        self._parts.append(Part(name, child, is_up=is_up, say=self._say))

    def _wait_for_site(self) -> None:
        def ready() -> bool:
            for child in (part.child for part in self._parts):
                if not child.is_running():
                    raise StackError(
                        f"{child.name} ended with {child.exit_code()}; the end of "
                        f"{child.log.path}:\n{child.log.tail()}"
                    )
            with suppress(requests.RequestException):
                return requests.get(f"{self.url}/readyz", timeout=5).ok
            return False

        def wait() -> None:
            if not wait_until(ready, timeout_s=60, every_s=0.2):
                found = " ".join(readiness.problems().values()) or "it does not answer."
                raise StackError(
                    f"the site did not become ready: {found} See {self._log}."
                )

        self._step("site", wait)

    def _step(self, name: str, work: Callable[[], Any]) -> None:
        start = time.monotonic()
        work()
        self._make.follow()
        if self._requests.is_stopping:  # somebody's code has caught the interrupt
            raise KeyboardInterrupt
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
        """Restart parts that die, until asked to stop."""
        saved_at = time.monotonic()
        (worker,) = [part for part in self._parts if part.name == "worker"]
        beat = BeatWatch(worker, say=self._say)
        while not self._requests.is_stopping:
            time.sleep(LOOK_EVERY_S)
            self._make.follow()
            now = time.monotonic()
            if now - saved_at > SAVE_EVERY_S:
                self._save_clock()
                saved_at = now
            for part in self._parts:
                part.check(now)
            beat.check(now)

    def _save_clock(self, *, is_stopped: bool = False) -> None:
        try:
            self._clock.save(is_stopped=is_stopped)
        except OSError as error:
            if not self._is_clock_unsaved:
                self._say(f"  The clock cannot be saved ({error.strerror}); continuing")
            self._is_clock_unsaved = True
        else:
            self._is_clock_unsaved = False

    def stop(self) -> None:
        """Stop in the opposite order, the servers last; safe to call at any point."""
        if not self._site_lock.is_held:
            return  # whatever runs here is another's
        for part in reversed(self._parts):
            try:
                part.child.stop(is_forced=self._requests.is_forced)
            except OSError as error:
                self._say(f"  {part.name} was not stopped: {error}")
        leftovers.end(
            self._var, patience_s=2, is_meant=lambda p: p.supervisor == os.getpid()
        )
        if self._models_run is not None:
            self._models_run.remove()
        self._save_clock(is_stopped=True)
        self._site_lock.release()
