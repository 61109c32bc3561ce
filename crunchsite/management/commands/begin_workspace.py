"""`manage.py begin_workspace`: what `up` makes for a node, where containers run it."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from crunchsite.stack import demo


class Command(BaseCommand):
    help = "Make the competition of WORKSPACE and let it run; one that exists stays."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.WORKSPACE is None:
            raise CommandError("WORKSPACE was empty; give the folder of a node.")
        made = demo.ensure()
        self.stdout.write(f"{made} is {made.get_status_display()}.")
