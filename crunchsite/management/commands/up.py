"""`manage.py up`: the whole site on one machine."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from crunchsite.stack.supervisor import Supervisor


class Command(BaseCommand):
    help = "Run the whole site here: servers, models, worker with Beat, web."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        supervisor = Supervisor(say=self.stdout.write)
        # Until the stack is watched, being asked to stop is Ctrl-C, whoever asks.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.stdout.write("Starting crunchsite")
        try:
            supervisor.start()
            supervisor.watch()
            self.stdout.write("Stopping ...")
        except KeyboardInterrupt:
            self.stdout.write("Stopping before all was up ...")
        finally:
            supervisor.stop()
        self.stdout.write("Stopped; the data stay under var/.")
