"""`coordinator preflight`: which local ports are taken."""

import socket

import click
from django.conf import settings

from crunchsite.coordinator import exits
from crunchsite.coordinator.terminal import echo

DEFAULT = "3000,5432,8000,9091"
SITE_PORT = 8000


class Ports(click.ParamType):  # type: ignore[type-arg]  # a class has no index at run time
    """Port numbers with commas; blanks between them are skipped."""

    name = "ports"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        found = []
        for text in value.split(","):
            if not (text := text.strip()):
                continue
            if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
                self.fail(f"port was {text!r}; write 1 to 65535", param, ctx)
            found.append(int(text))
        return found or default_ports()


def default_ports() -> list[int]:
    """Return the ports of a site and its containers, with PORT in place of 8000."""
    own = {SITE_PORT: settings.ENV.port}
    ports = (int(port) for port in DEFAULT.split(","))
    return list(dict.fromkeys(own.get(port, port) for port in ports))


@click.command("preflight")
@click.option(
    "--ports", type=Ports(), help=f"Default: {DEFAULT}, with PORT in place of 8000."
)
def command(ports: list[int] | None) -> None:
    """Say which local ports are taken; exit code 1 if there is one."""
    is_busy = False
    for port in ports or default_ports():
        taken = _is_taken(port)
        is_busy |= taken
        echo(f"{'FAIL' if taken else 'OK'}  port {port} is {_word(taken)}")
        if taken:
            echo(f"      see who: lsof -nP -iTCP:{port} -sTCP:LISTEN", err=True)
    if is_busy:
        click.get_current_context().exit(exits.FAILED)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _word(is_taken: bool) -> str:
    return "taken" if is_taken else "free"
