"""`manage.py log_stamp`: have the newest head of the log stamped now."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.errors import OperatorError
from proofs import stamping


class Command(BaseCommand):
    help = "Has the log's newest head stamped by the authority of LOG_TIMESTAMP_URL."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.ENV.log_timestamp_url:
            raise CommandError("no authority is named; set LOG_TIMESTAMP_URL.")
        try:
            size = stamping.stamp()
        except OperatorError as error:
            raise CommandError(str(error)) from None
        if size:
            self.stdout.write(f"the head of {size} entries was stamped.")
        else:
            self.stdout.write("there is no head without a stamp.")
