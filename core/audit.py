"""Record what operators did in the trail: Django's own log entries."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Model


def note(user: Any, objects: Sequence[Model], *, flag: int, what: str) -> None:
    """Write one entry for each object; a key without a user writes none."""
    if user.pk is not None:
        LogEntry.objects.log_actions(user.pk, objects, flag, what)
