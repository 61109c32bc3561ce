"""`coordinator logs`: what the parts of this machine's site wrote."""

import re
import time
from datetime import UTC, datetime, timedelta

import click
from django.conf import settings

from core import clock
from crunchsite.coordinator.log_reading import follow, log_files, read_logs
from crunchsite.coordinator.terminal import echo

LOOK_EVERY_S = 0.5
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Since(click.ParamType):  # type: ignore[type-arg]  # a class has no index at run time
    """An instant in UTC, or how long ago: 30s, 10m, 2h, 1d."""

    name = "since"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if found := re.fullmatch(r"(\d{1,6})([smhd])", value):
            age = timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
            return clock.wall_now() - age
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"it was {value!r}; write 10m, or 2026-03-02T12:00Z", param, ctx)
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def say_line(service: str, text: str) -> None:
    echo(f"{service:<12} | {text}")


@click.command("logs")
@click.option("--follow", "is_following", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--since", type=Since(), help="An instant in UTC, or 10m, 2h, 1d ago.")
@click.option(
    "--tail",
    type=click.IntRange(min=0),
    help="Lines of each part; default: 100, with --since 10000.",
)
def command(*, is_following: bool, since: datetime | None, tail: int | None) -> None:
    """Show the last lines of each part's log, in the order of time."""
    folder = settings.VAR_DIR / "log"
    if not log_files(folder) and not is_following:
        echo(
            f"There are no logs in {folder}. For a node, set WORKSPACE to its folder, "
            "or type `make logs` there.",
            err=True,
        )
    if tail is None:
        tail = 100 if since is None else 10_000
    for line in read_logs(folder, tail=tail, since=since):
        say_line(line.service, line.message)
    if is_following:
        follow(folder, say=say_line, wait=_wait)


def _wait() -> bool:
    time.sleep(LOOK_EVERY_S)
    return False
