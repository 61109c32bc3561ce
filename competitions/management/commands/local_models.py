"""`manage.py local_models`: list the embedded models, and control them."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from competitions.local_models import control, model_folders
from core.texts import for_terminal


class Command(BaseCommand):
    help = "Show, add, stop, start, restart and remove the local models."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--logs",
            type=Path,
            default=settings.MODELS_LOG_DIR,
            help="logs folder of the orchestrator",
        )
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("status", help="all models with their states")
        add = actions.add_parser("add", help="copy a model's folder among the others")
        add.add_argument("source", type=Path)
        add.add_argument("--name", default="")
        for action in ("stop", "start", "restart"):
            actions.add_parser(action).add_argument("model_id")
        remove = actions.add_parser("remove", help="delete a model's folder")
        remove.add_argument("model_id")
        log = actions.add_parser("log", help="the newest lines that a model printed")
        log.add_argument("model_id")
        log.add_argument("--lines", type=int, default=50)

    def handle(self, *args: Any, **options: Any) -> None:
        logs_dir: Path = options["logs"]
        action = options["action"]
        if action == "status":
            self._show(logs_dir)
        elif action == "add":
            added = model_folders.add(
                models_dir=settings.LOCAL_MODELS_DIR,
                source=options["source"],
                model_id=options["name"],
            )
            self.stdout.write(f"{added} was added.")
        elif action == "remove":
            control.remove(
                models_dir=settings.LOCAL_MODELS_DIR,
                logs_dir=logs_dir,
                model_id=options["model_id"],
            )
            self.stdout.write(f"{options['model_id']} was removed.")
        elif action == "log":
            self.stdout.write(
                control.log_tail(
                    logs_dir=logs_dir,
                    model_id=options["model_id"],
                    lines=options["lines"],
                )
            )
        else:
            work = getattr(control, action)
            work(logs_dir=logs_dir, model_id=options["model_id"])
            self.stdout.write(f"{options['model_id']}: {action} was asked for.")

    def _show(self, logs_dir: Path) -> None:
        rows = control.status(logs_dir)
        if not rows:
            raise CommandError(
                f"no orchestrator has written to {logs_dir}; start it with `make up`, "
                "or give --logs."
            )
        self.stdout.write(for_terminal(f"Sandbox {rows[0].sandbox}."))
        for row in rows:
            line = (
                f"{row.model_id:24} {row.state:12} since {row.changed_at} "
                f"restarts {row.restarts} {row.error}"
            )
            self.stdout.write(for_terminal(line.rstrip()))
