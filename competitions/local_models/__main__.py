"""The command line of the embedded orchestrator."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import structlog

from competitions.local_models import cgroups
from competitions.local_models.orchestrator import Orchestrator
from competitions.local_models.sandbox import strongest_level
from competitions.local_models.supervisor import Limits
from core.logs import bound_event, bounded_traceback

log = structlog.get_logger(__name__)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m competitions.local_models",
        description="Runs each sub-folder of a folder as a model of its own process.",
    )
    parser.add_argument("--models", type=Path, required=True, help="folder of models")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--crunch-id", required=True)
    parser.add_argument("--logs", type=Path, required=True, help="folder of logs")
    parser.add_argument("--memory-mb", type=int, default=Limits.memory_mb)
    parser.add_argument(
        "--cpus",
        type=float,
        default=Limits.cpus,
        help="processors' time for each model, where the kernel can hold it to that; "
        "0: a low priority only",
    )
    parser.add_argument(
        "--hang-s",
        type=float,
        default=Limits.hang_s,
        help="seconds after which a call that has not returned ends the process",
    )
    parser.add_argument(
        "--level",
        type=int,
        choices=(1, 2),
        help="sandbox level; default: the strongest",
    )
    args = parser.parse_args()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            bound_event,
            structlog.dev.ConsoleRenderer(
                colors=False, pad_event_to=0, exception_formatter=bounded_traceback
            ),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING)
    if not args.models.is_dir():
        parser.error(f"--models was {args.models}, which is not a folder")
    try:
        asyncio.run(_run(args))
    except OSError as error:
        print(f"Error: {args.host}:{args.port}: {error.strerror}.", file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _run(args: argparse.Namespace) -> None:
    until = asyncio.Event()
    for end in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(end, until.set)
    level = args.level or await asyncio.to_thread(strongest_level)
    orchestrator = Orchestrator(
        models_dir=args.models.resolve(),
        logs_dir=args.logs.resolve(),
        crunch_id=args.crunch_id,
        limits=Limits(
            level=level,
            memory_mb=args.memory_mb,
            cpus=args.cpus,
            cgroup=cgroups.find() if args.cpus else None,
            hang_s=args.hang_s,
        ),
    )
    await orchestrator.run(host=args.host, port=args.port, until=until)


if __name__ == "__main__":
    sys.exit(main())
