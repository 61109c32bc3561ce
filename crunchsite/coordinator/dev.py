"""`coordinator dev`: a node from nothing to a verdict, and then until Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import requests
from django.conf import settings

from core.errors import OperatorError
from crunchsite.coordinator import exits
from crunchsite.coordinator.check_models import look_at
from crunchsite.coordinator.doctor import workspace_of
from crunchsite.coordinator.log_reading import follow
from crunchsite.coordinator.logs import LOOK_EVERY_S, say_line
from crunchsite.coordinator.site_api import Site, site_of
from crunchsite.coordinator.terminal import echo
from crunchsite.coordinator.verify_e2e import verdict_of, wait_for_scores
from crunchsite.settings.env import read_env
from crunchsite.settings.workspace import NodeFolder
from crunchsite.stack.ends_with_parent import tied

# It stops its parts one after another, and gives each its time.
STOP_PATIENCE_S = 180
_STDERR = 2
# The wheel has no manage.py.
_MANAGE = (
    ("-m", "crunchsite")
    if settings.IS_INSTALLED
    else (str(settings.BASE_DIR / "manage.py"),)
)


class NodeEndedError(OperatorError):
    """The node's site ended by itself; what it said stands above."""

    code = "node_ended"
    status = 409


class NodeLateError(OperatorError):
    """The node's site was not ready in time."""

    code = "node_late"


class RunningNode:
    """`up` for a node in a process of its own, which ends with this one."""

    def __init__(self, node: NodeFolder, site: Site) -> None:
        self._site = site
        self._process = subprocess.Popen(
            tied([sys.executable, *_MANAGE, "up"], stop_signal=signal.SIGINT),
            cwd=settings.SITE_DIR,
            env={**os.environ, "WORKSPACE": str(node.node)},  # noqa: TID251  inherited
            stdin=subprocess.DEVNULL,
            stdout=_STDERR,  # its progress is a note; the verdict is the data
            # Ctrl-C reaches only this process, which asks it once to stop.
            start_new_session=True,
        )

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def wait_until_ready(self, timeout_s: float) -> None:
        """Return when the site is ready; raises NodeEndedError or NodeLateError."""
        deadline = time.monotonic() + timeout_s
        while not self._is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise NodeLateError(
                    f"{self._site.url} was not ready in {timeout_s:g} s; see its logs."
                )
            time.sleep(LOOK_EVERY_S)
        self.check()  # another site may answer at the port

    def _is_ready(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self._site.url}/readyz", timeout=5).ok
        return False

    def check(self) -> None:
        """Raise NodeEndedError if it has ended."""
        if self.has_ended():
            raise NodeEndedError(
                f"the site ended with {self._process.returncode}; the lines above say "
                "why."
            )

    def stop(self) -> None:
        """Ask it to stop and wait for it; each further Ctrl-C is passed on."""
        deadline = time.monotonic() + STOP_PATIENCE_S
        self._ask()
        while time.monotonic() < deadline:
            try:
                self._process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                break
            except KeyboardInterrupt:
                self._ask()
            else:
                return
        self._process.kill()  # its parts end with it
        self._process.wait()

    def _ask(self) -> None:
        if not self.has_ended():
            self._process.send_signal(signal.SIGINT)


@contextmanager
def running(node: NodeFolder, site: Site) -> Iterator[RunningNode]:
    """Run a node's site in this block; Ctrl-C, `kill` and a closed terminal end it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {n: signal.signal(n, signal.default_int_handler) for n in numbers}
    started = RunningNode(node, site)
    try:
        yield started
    finally:
        started.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


@click.command("dev")
@click.argument(
    "folder",
    metavar="[NODE]",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--exit", "is_exiting", is_flag=True, help="End after the verdict.")
@click.option("--skip-e2e", is_flag=True, help="Do not wait for scores.")
@click.option("--follow", "is_following", is_flag=True, help="Show the logs then.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300,
    show_default=True,
    help="Seconds until the site is ready.",
)
@click.option(
    "--until-scored",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds to wait for scores; default: E2E_VERIFY_TIMEOUT_SECONDS.",
)
def command(
    *,
    folder: Path | None,
    is_exiting: bool,
    skip_e2e: bool,
    is_following: bool,
    timeout: float,
    until_scored: float | None,
) -> None:
    """Start the site of a node, verify that it scores, and stay until Ctrl-C.

    NODE is its folder; default: WORKSPACE, or the workspace around the current folder.
    The exit code is the verdict's: 0, 1 or 4.
    """
    node = workspace_of(folder)
    env = read_env(*node.env_files)
    site = site_of(env, node.slug)
    code = exits.OK
    with running(node, site) as started:
        started.wait_until_ready(timeout)
        if not skip_e2e:
            code = _judge(site, started, until_scored)
        with suppress(KeyboardInterrupt):  # the verdict is known, and stands
            _announce(site)
            if not is_exiting:
                logs = node.node / env.var_dir / "log"
                _stay(started, logs, is_following=is_following)
    if code != exits.OK:
        click.get_current_context().exit(code)


def _judge(site: Site, started: RunningNode, timeout_s: float | None) -> int:
    found = wait_for_scores(site, timeout_s=timeout_s, is_over=started.has_ended)
    started.check()
    try:
        verdict_of(site, found, is_json=False)
    except OperatorError as error:
        echo(f"Error: {error}", err=True)
        return exits.code_of(error)
    return exits.OK


def _announce(site: Site) -> None:
    for title, path in (("Leaderboard", "/"), ("API", "/docs"), ("Admin", "/admin/")):
        echo(f"{title:<12} {site.url}{path}")
    for model in look_at(site, is_own=False).models.values():
        echo(model.line())


def _stay(started: RunningNode, logs: Path, *, is_following: bool) -> None:
    """Wait until Ctrl-C; raises NodeEndedError if the site ends by itself."""

    def wait() -> bool:
        time.sleep(LOOK_EVERY_S)
        return started.has_ended()

    echo("  running; Ctrl-C ends all of it", err=True)
    if is_following:
        follow(logs, say=say_line, wait=wait)
    while not wait():
        pass
    started.check()
