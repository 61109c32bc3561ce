"""Columns and charts of the reports."""

from typing import Any

# TODO: add columns of your own. This is the standard report.
SCHEMA: dict[str, Any] = {{ report_schema|as_literal }}


def report_schema() -> dict[str, Any]:
    """Return `leaderboard_columns` and `metrics_widgets` of the report pages."""
    return SCHEMA
