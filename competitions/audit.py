"""The trail of what operators did: Django's LogEntry."""

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model


def record(*, user: Any, target: Model, what: str) -> LogEntry:
    """Note that `user` changed `target`; `what` is a sentence with before and after."""
    return LogEntry.objects.create(
        user_id=user.pk,
        content_type=ContentType.objects.get_for_model(target),
        object_id=str(target.pk),
        object_repr=str(target)[:200],
        action_flag=CHANGE,
        change_message=what,
    )
