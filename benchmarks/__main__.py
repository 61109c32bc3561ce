"""`python -m benchmarks NAME [options] --json`: our service against the least work.

Each benchmark is a module of this package with `add_arguments(parser)` and
`run(args) -> Result`. It runs on an embedded PostgreSQL of its own under var/bench,
durable as in production, and leaves nothing behind.
"""

import argparse
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _names() -> list[str]:
    package = Path(__file__).parent
    return sorted(
        module.name
        for module in pkgutil.iter_modules([str(package)])
        if not module.name.startswith("_") and module.name != "measure"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    commands = parser.add_subparsers(dest="name", required=True)
    for name in _names():
        command = commands.add_parser(name)
        command.add_argument("--json", action="store_true", help="one JSON object")
        command.add_argument("--repeats", type=int, default=5)
        importlib.import_module(f"benchmarks.{name}").add_arguments(command)
    args = parser.parse_args()

    var = ROOT / "var" / "bench"
    os.environ.update(  # noqa: TID251  the benchmark's own servers
        DJANGO_SETTINGS_MODULE="crunchsite.settings.dev",
        VAR_DIR=str(var),
        DATABASE_URL="",
        TAPE_DATABASE_URL="",
        REDIS_URL="",
        LOG_LEVEL="ERROR",
    )
    from crunchsite.stack.postgres import Postgres

    server = Postgres(var)
    server.start()
    try:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        result = importlib.import_module(f"benchmarks.{args.name}").run(args)
    finally:
        server.stop()
    print(json.dumps(result) if args.json else json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
