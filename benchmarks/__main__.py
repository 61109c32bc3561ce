"""`python -m benchmarks NAME [options] --json`: our service against the least work.

Each benchmark is a module of this package with `add_arguments(parser)` and
`run(args) -> dict`. It runs on a new embedded PostgreSQL of its own under
var/bench, durable as in production, which is removed at the end.
"""

import argparse
import importlib
import json
import os
import pkgutil
import shutil
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / "bench"


def main() -> int:
    os.environ.update(  # noqa: TID251  the benchmark's own servers
        DJANGO_SETTINGS_MODULE="crunchsite.settings.dev",
        VAR_DIR=str(VAR),
        DATABASE_URL="",
        TAPE_DATABASE_URL="",
        REDIS_URL="",
        LOG_LEVEL="ERROR",
        API_RATE_PER_ADDRESS="0",
        CALLABLE_PACKAGES="benchmarks",
    )
    import django

    django.setup()
    from django.core.management import call_command

    from crunchsite.celery import spare_the_collector
    from crunchsite.stack.postgres import Postgres

    modules = _modules()
    args = _parse(modules)
    shutil.rmtree(VAR, ignore_errors=True)
    server = Postgres(VAR)
    server.start()
    try:
        call_command("migrate", verbosity=0)
        spare_the_collector()
        result = modules[args.name].run(args)
    finally:
        server.stop()
        shutil.rmtree(VAR, ignore_errors=True)  # gigabytes, some of them
    print(json.dumps(result) if args.json else json.dumps(result, indent=2))
    return 0


def _modules() -> dict[str, ModuleType]:
    found = {
        module.name: importlib.import_module(f"benchmarks.{module.name}")
        for module in pkgutil.iter_modules([str(Path(__file__).parent)])
        if not module.name.startswith("_")
    }
    return {name: m for name, m in sorted(found.items()) if hasattr(m, "run")}


def _parse(modules: dict[str, ModuleType]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    commands = parser.add_subparsers(dest="name", required=True)
    for name, module in modules.items():
        command = commands.add_parser(name)
        command.add_argument("--json", action="store_true", help="one JSON object")
        command.add_argument("--repeats", type=int, default=5)
        module.add_arguments(command)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
