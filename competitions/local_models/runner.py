"""The process of one model: `python -m competitions.local_models.runner`.

Started by the orchestrator, never by hand: it closes the sandbox, then serves the
model.
"""

import argparse
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from competitions.local_models.keeper import Announce, keep_running
from competitions.local_models.sandbox import Bounds, Sandbox

PROJECT = Path(__file__).resolve().parent.parent.parent


def without_project(
    paths: Sequence[str], *, project: Path = PROJECT, installed: str | None = None
) -> list[str]:
    """Return a search path by which models see only the modules that serve them.

    An engine that was installed as a wheel lies in `installed`, the folder of all
    packages (this Python's by default): there it stays, because gRPC does, too.
    """
    packages = Path(installed or sysconfig.get_path("purelib")).resolve()
    if project == packages:
        return list(paths)
    return [path for path in paths if Path(path) != project]


def main() -> None:
    args = _arguments()
    sys.path[:] = without_project(sys.path)
    sandbox = Sandbox(
        level=args.level,
        uid=args.uid,
        bounds=Bounds(args.memory_mb, args.tasks, is_watched=args.watched),
        readable=(Path(__file__).resolve().parent, args.package),
        model=args.model,
        writable=args.socket.parent,
        groups=args.group,
        holds_cpu=args.holds_cpu,
    )

    def work(announce: Announce) -> None:
        # Its gRPC takes 30 MB, which the processes that wait outside do not need.
        from competitions.local_models.servicer import serve

        serve(
            sandbox.seen(args.model),
            sandbox.seen(args.package),
            sandbox.seen(args.socket),
            hang_s=args.hang_s,
            setup_hang_s=args.setup_hang_s,
            on_listening=announce,
        )

    keep_running(work, sandbox=sandbox, parent=args.parent, ready=args.ready)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--hang-s", type=float, required=True)
    parser.add_argument("--setup-hang-s", type=float, required=True)
    parser.add_argument("--level", type=int, choices=(1, 2), required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument(
        "--ready", type=int, help="open pipe that gets READY when it listens"
    )
    parser.add_argument("--uid", type=int, default=0, help="0 keeps the user")
    parser.add_argument("--memory-mb", type=int, required=True)
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument(
        "--watched", action="store_true", help="no control group limits memory"
    )
    parser.add_argument(
        "--group", type=Path, action="append", default=[], help="control group to join"
    )
    parser.add_argument(
        "--holds-cpu", action="store_true", help="a control group limits CPU"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
