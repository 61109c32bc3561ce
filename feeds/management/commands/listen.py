"""`manage.py listen`: the subscriptions' streams onto the tape, until it is stopped."""

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand

from feeds import listen
from feeds.errors import FeedError


class Command(BaseCommand):
    help = "Listens to the streams of all active subscriptions; SIGTERM ends it."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            asyncio.run(_main())
        except* FeedError as group:
            raise group.exceptions[0] from None
        self.stdout.write("stopped; everything that had arrived is on the tape")


async def _main() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await listen.listen(stop)
