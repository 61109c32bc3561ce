"""Format numbers and instants for the public pages."""

import math
import re
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core import clock
from core.rounding import is_figure
from core.texts import counted, readable

register = template.Library()
register.filter(counted)

UNKNOWN = "\N{EM DASH}"
_VALUE_ALONE = re.compile(r'\{"value": (-?[0-9][0-9.eE+-]*)\}')
MINUS = "\N{MINUS SIGN}"
MOST_DECIMALS = 10


@register.filter
def figure(value: Any, decimals: int = 4) -> str:
    """Format a number with fixed decimals and a real minus sign; a dash if unknown."""
    if not is_figure(value):
        return UNKNOWN
    shown = round(float(value), decimals) + 0.0  # a rounded -0.0 loses its sign
    return f"{shown:,.{decimals}f}".replace("-", MINUS)


@register.filter
def significant(value: Any, decimals: int = 2) -> str:
    """Format a number with `decimals`, or more to show at least three digits.

    Very small numbers use an exponent, like 1.20e-12.
    """
    if not (is_figure(value) and value):
        return figure(value, decimals)
    needed = decimals_for(value)
    if needed <= MOST_DECIMALS or needed <= decimals:
        return figure(value, max(decimals, needed))
    return f"{value:.2e}".replace("-", MINUS, 1) if value < 0 else f"{value:.2e}"


def decimals_for(value: float) -> int:
    """Return how many decimals show three significant digits of a number."""
    return max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0


@register.filter
def percent(value: float | None) -> str:
    """Format a fraction as a percentage, rounded down, so that 100 % means all.

    A last digit of a binary fraction takes nothing away: 1 - 4 / 5 is 20 %.
    """
    return UNKNOWN if value is None else f"{int(round(value * 1000, 6)) / 10:g} %"


@register.filter
def prose(text: str) -> SafeString:
    """Format a paragraph in which what stands between two backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one backtick has no other
        return format_html("{}", text)
    return format_html_join(
        "",
        "{}",
        (
            (format_html("<code>{}</code>", part) if n % 2 else part,)
            for n, part in enumerate(parts)
        ),
    )


@register.filter
def billionths(share: int | None) -> str:
    """Format billionths as a percentage of four decimals, without its sign."""
    return figure(None if share is None else share / 10_000_000, 4)


@register.filter
def milliseconds(microseconds: int | None) -> str:
    return UNKNOWN if microseconds is None else f"{microseconds / 1000:,.1f} ms"


@register.filter
def duration(seconds: int | timedelta) -> str:
    """Format seconds: 90 is `90 s`, 120 `2 min`, 86400 `24 h`, 604800 `7 d`."""
    if isinstance(seconds, timedelta):
        seconds = int(seconds.total_seconds())
    for unit, length, least in (("d", 86_400, 7), ("h", 3600, 1), ("min", 60, 1)):
        if seconds >= least * length and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


@register.simple_tag
def instant(at: datetime | None, style: str = "") -> SafeString:
    """Format a `<time>` in UTC; a script updates the styles `ago` and `until`.

    The day is left out where it is the site's own, but for the style `full`.
    """
    if at is None:
        return format_html('<span class="unknown">{}</span>', UNKNOWN)
    has_day = style == "full" or at.date() != clock.now().date()
    return format_html(
        '<time datetime="{}" data-style="{}">{}</time>',
        f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
        style,
        f"{at:%d %b %H:%M:%S} UTC" if has_day else f"{at:%H:%M:%S} UTC",
    )


@register.simple_tag
def site_clock() -> str:
    """Return the site clock's date and speed, if it is not the real time."""
    shown = clock.current()
    if shown == clock.WALL:
        return ""
    pace = "" if shown.speed == 1 else f" \N{MULTIPLICATION SIGN} {shown.speed:g}"
    name = "Replay" if settings.ENV.feed_source == "replay" else "Clock"
    return f"{name}{pace}: the site's day is {shown.now():%d %b %Y}"


LONGEST_ANSWER = 400


@register.filter
def answer(output: str) -> str:
    """Format a model's answer in one line: its value, or the beginning of its JSON."""
    if output == "{}":
        return UNKNOWN
    if match := _VALUE_ALONE.fullmatch(output):
        return significant(float(match[1]), 4)
    return readable(output, limit=LONGEST_ANSWER)


@register.filter
def basis_points(fraction: Any) -> str:
    """Format a return in hundredths of a percent, with its sign.

    A truth is the operator's own JSON: a dash for a return that is no number.
    """
    if not is_figure(fraction):
        return UNKNOWN
    return f"{float(fraction) * 10_000:+.2f} bp".replace("-", MINUS)


@register.filter
def places(moved: int | None) -> str:
    """Format places won or lost: an arrow and a number, `=` for none."""
    if moved is None:
        return UNKNOWN
    if moved == 0:
        return "="
    arrow = "\N{UPWARDS ARROW}" if moved > 0 else "\N{DOWNWARDS ARROW}"
    return f"{arrow}{abs(moved)}"


@register.filter
def status_tone(status: str) -> str:
    """Return the colour of a competition's status in the admin."""
    return {"ACTIVE": "success", "PAUSED": "warning", "ENDED": "info"}.get(status, "")
