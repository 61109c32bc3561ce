"""The page with a competition's rules, as they hold now."""

from typing import Any

from django.conf import settings

from competitions import packs
from competitions.models import Competition
from competitions.report_schema import report_schema
from competitions.wiring import shown_wiring
from crunchsite.site.series import summed_as

# The rules of a workspace's public package: its pack's words come first, up to here.
_OWN_FILE, _OWN_END = "RULES.md", "\n## "
LARGEST_BYTES = 100_000


def rules_of(competition: Competition) -> dict[str, Any]:
    """Return what is asked and how it is scored, and the words of its pack.

    Two statements. A contract that cannot be loaded is shown as the built-in one.
    """
    config = shown_wiring(competition).config
    rule, labels = config.aggregation, _labels(competition)
    schedules = competition.scheduled_predictions.filter(active=True)
    return {
        "words": _words(competition),
        "config": config,
        "ranking": (_worded(rule.ranking_key, labels), rule.ranking_key),
        "windows": [
            (_worded(name, labels), name, window)
            for name, window in rule.windows.items()
        ],
        "summed_as": summed_as(competition),
        "metrics": [(_worded(name, labels), name) for name in config.metrics],
        "schedules": list(schedules.order_by("order", "pk")),
        "changes": list(competition.kept_rules.order_by("-number")[:10]),
    }


def _labels(competition: Competition) -> dict[str, str]:
    """Return the names that the board shows its figures by."""
    columns = report_schema(competition)["leaderboard_columns"]
    return {column["property"]: column["displayName"] for column in columns}


def _worded(name: str, labels: dict[str, str]) -> str:
    return labels.get(name) or name.replace("_", " ").title()


def _words(competition: Competition) -> list[str]:
    """Return the pack's words by paragraph; those of a node's own package first."""
    node = settings.WORKSPACE
    text = ""
    if node is not None and node.slug == competition.slug:
        file = node.challenge / _OWN_FILE
        if file.is_file() and file.stat().st_size <= LARGEST_BYTES:
            text = file.read_text(encoding="utf-8", errors="replace")
            text = text.partition("\n")[2].partition(_OWN_END)[0]
    text = text or packs.words_of(competition.pack)
    return [part.strip() for part in text.split("\n\n") if part.strip()]
