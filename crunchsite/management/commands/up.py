"""`manage.py up`: the whole site on one machine."""

from typing import Any

from django.core.management.base import BaseCommand

from crunchsite.stack.supervisor import Supervisor


class Command(BaseCommand):
    help = "Run the whole site here: servers, models, worker with Beat, web."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        supervisor = Supervisor(say=self.stdout.write)
        self.stdout.write("Starting crunchsite")
        supervisor.start()
        try:
            supervisor.watch()
        finally:
            self.stdout.write("Stopping ...")
            supervisor.stop()
            self.stdout.write("Stopped; the data stay under var/.")
