"""The command line of the embedded orchestrator."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import structlog

from competitions.local_models import cgroups, sandbox
from competitions.local_models.hidden_folders import CANDIDATES, CANDIDATES_LOGS, CHECK
from competitions.local_models.launch import Limits
from competitions.local_models.orchestrator import Orchestrator
from competitions.local_models.users import NoUserError
from core.logs import bound_event, bounded_traceback

log = structlog.get_logger(__name__)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m competitions.local_models",
        description="Runs each sub-folder of a folder as a model of its own process.",
    )
    parser.add_argument("--models", type=Path, required=True, help="folder of models")
    parser.add_argument(
        "--socket",
        type=Path,
        required=True,
        help="unix socket for coordinators",
    )
    parser.add_argument("--crunch-id", required=True)
    parser.add_argument(
        "--candidates-socket",
        type=Path,
        help="unix socket for the site's check of submitted models",
    )
    parser.add_argument("--logs", type=Path, required=True, help="folder of logs")
    parser.add_argument("--memory-mb", type=int, default=Limits.memory_mb)
    parser.add_argument(
        "--tasks",
        type=int,
        default=Limits.tasks,
        help="processes and threads of each model together",
    )
    parser.add_argument(
        "--cpus",
        type=float,
        default=Limits.cpus,
        help="processors' time for each model, if the kernel can enforce it; 0:"
        " only a low priority",
    )
    parser.add_argument(
        "--hang-s",
        type=float,
        default=Limits.hang_s,
        help="seconds after which a call that has not returned ends the process, if"
        " its own time limit is over",
    )
    parser.add_argument(
        "--level",
        type=int,
        choices=(1, 2),
        default=Limits.level,
        help="sandbox level; 1 leaves the network and readable files open, and is"
        " never used unless given",
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
    if args.level == 2 and (trouble := sandbox.trouble_with_level_2()):
        return _fail(
            f"level was 2, which this machine does not allow ({trouble}); allow "
            "unprivileged user namespaces, run as root, or ask for --level 1 "
            "(LOCAL_MODELS_LEVEL=1), which leaves the network and readable files open "
            "to models."
        )
    try:
        asyncio.run(_run(args))
    except OSError as error:
        return _fail(f"socket was {args.socket}, which cannot be served: {error}.")
    except NoUserError as error:
        return _fail(str(error))
    return 0


def _fail(text: str) -> int:
    print(f"Error: {text}", file=sys.stderr)  # noqa: T201
    return 1


async def _run(args: argparse.Namespace) -> None:
    until = asyncio.Event()
    for end in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(end, until.set)
    wanted = [c for c in cgroups.CONTROLLERS if c != "cpu" or args.cpus]
    limits = Limits(
        level=args.level,
        memory_mb=args.memory_mb,
        tasks=args.tasks,
        cpus=args.cpus,
        parents=await asyncio.to_thread(cgroups.find, wanted),
        hang_s=args.hang_s,
    )
    models_dir, logs_dir = args.models.resolve(), args.logs.resolve()
    served = [(models_dir, logs_dir, args.crunch_id, args.socket.absolute())]
    if args.candidates_socket:
        places = models_dir / CANDIDATES, logs_dir / CANDIDATES_LOGS
        served.append((*places, CHECK, args.candidates_socket.absolute()))
    runs = [
        asyncio.create_task(
            Orchestrator(
                models_dir=models, logs_dir=logs, crunch_id=crunch_id, limits=limits
            ).run(socket=socket, until=until)
        )
        for models, logs, crunch_id, socket in served
    ]
    await asyncio.wait(runs, return_when=asyncio.FIRST_EXCEPTION)
    until.set()
    await asyncio.gather(*runs)


if __name__ == "__main__":
    sys.exit(main())
