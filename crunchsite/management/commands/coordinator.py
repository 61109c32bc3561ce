"""`manage.py coordinator ...` is `./coordinator ...`."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand

from crunchsite.coordinator.cli import main


class Command(BaseCommand):
    help = "From an idea to a live competition; see ./coordinator --help."

    def run_from_argv(self, argv: Sequence[str]) -> None:
        main(argv[2:])

    def handle(self, *args: Any, **options: Any) -> None:
        main([str(argument) for argument in args])
