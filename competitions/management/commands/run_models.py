"""`manage.py run_models`: predict rounds without Celery, for fast cadences."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from competitions.run_models import ModelDaemon


class Command(BaseCommand):
    help = (
        "Ask the models as soon as a slot's candle arrives, without Celery: for "
        "cadences below five seconds. Run no worker on the queue `models` beside it; "
        "where another process owns a competition, this one waits to take over."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        daemon = ModelDaemon()
        for end in (signal.SIGTERM, signal.SIGINT):
            signal.signal(end, lambda *_: daemon.stop())
        daemon.run()
