"""Buttons for a competition's actions, shown to users who may run them."""

from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.acts import may
from crunchsite.operator.actions import ACTIONS


def buttons_for(user: Any, competition_id: int, names: list[str]) -> SafeString:
    """Return small buttons to the pages of the actions that the user may run."""
    parts = SafeString("")
    for name in names:
        if not may(user, ACTIONS[name].permission):
            continue
        url = reverse("admin:competition-act", args=[competition_id, name])
        parts += format_html(
            '<a class="press" href="{}">{}</a> ', url, ACTIONS[name].title
        )
    return parts
