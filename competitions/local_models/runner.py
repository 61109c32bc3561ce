"""The process of one model: `python -m competitions.local_models.runner`.

Started by the supervisor, never by hand: closes the sandbox, then serves the model.
"""

import argparse
import signal
import sys
from pathlib import Path

from competitions.local_models.sandbox import Sandbox, add_arguments

PROJECT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--hang-s", type=float, required=True)
    parser.add_argument("--setup-hang-s", type=float, required=True)
    add_arguments(parser)
    args = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    # Only what serves models is shown to them, not the project around it.
    sys.path[:] = [path for path in sys.path if Path(path) != PROJECT]
    sandbox = Sandbox(
        level=args.level,
        parent=args.parent,
        uid=args.uid,
        memory_mb=args.memory_mb,
        readable=(Path(__file__).resolve().parent, args.package, args.model),
        writable=args.socket.parent,
        cgroup=args.cgroup,
    )
    sandbox.close()
    # Its gRPC takes 30 MB, which the process that waits outside does not need.
    from competitions.local_models.servicer import serve

    serve(
        sandbox.seen(args.model),
        sandbox.seen(args.package),
        sandbox.seen(args.socket),
        hang_s=args.hang_s,
        setup_hang_s=args.setup_hang_s,
    )


if __name__ == "__main__":
    main()
