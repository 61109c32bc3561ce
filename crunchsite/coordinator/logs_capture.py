"""`coordinator logs-capture`: the logs of all parts as one file for programs."""

import json
from pathlib import Path

import click
from django.conf import settings

from core.errors import OperatorError
from core.files import write_file
from core.texts import counted
from crunchsite.coordinator.log_reading import read_logs
from crunchsite.coordinator.terminal import echo


class CaptureError(OperatorError):
    """The file with the logs cannot be written."""

    code = "capture_failed"
    status = 409


@click.command("logs-capture")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("runtime-services.jsonl"),
    show_default=True,
)
@click.option(
    "--tail",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="Lines of each part.",
)
def command(*, output: Path, tail: int) -> None:
    """Write the last lines of each part to a file: timestamp, service, message."""
    lines = read_logs(settings.VAR_DIR / "log", tail=tail)
    rows = [
        json.dumps(
            {
                "timestamp": line.timestamp.isoformat(),
                "service": line.service,
                "message": line.message,
            },
            ensure_ascii=False,
        )
        for line in lines
    ]
    try:
        write_file(output, "".join(f"{row}\n" for row in rows))
    except OSError as error:
        raise CaptureError(f"{output} cannot be written: {error.strerror}.") from None
    echo(str(output))
    services = {line.service for line in lines}
    echo(f"{counted(len(rows), 'line')} of {counted(len(services), 'part')}", err=True)
