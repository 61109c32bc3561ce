"""Columns and charts of the reports."""

from typing import Any

from competitions.defaults import report_schema_provider
from runtime_definitions.contracts import CONTRACT


def report_schema() -> dict[str, Any]:
    """Return `leaderboard_columns` and `metrics_widgets` of the report pages."""
    # TODO: add columns of your own. This is the standard report.
    return report_schema_provider(CONTRACT)
