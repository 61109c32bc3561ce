"""`coordinator status`: each competition of this site, in one line."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click
from django.db.models import Count, Min, OuterRef, Subquery

from competitions.models import (
    CallableFailure,
    Competition,
    ParticipantModel,
    Round,
    ScheduledPrediction,
)
from core import clock
from crunchsite.coordinator.terminal import echo


def statuses(now: datetime) -> list[dict[str, Any]]:
    """Return a row for each competition by slug, in five statements.

    `waiting` counts rounds whose horizon is over and that are not scored; `failing`
    names models that do not run or answer, and the operator's own callables.
    """
    asked = Round.objects.filter(competition=OuterRef("pk"), performed_at__isnull=False)
    newest = Subquery(asked.order_by("-slot_at").values("slot_at")[:1])
    made = Competition.objects.order_by("slug").values_list("pk", "slug", "status")
    rows: dict[int, dict[str, Any]] = {
        pk: {
            "competition": slug,
            "status": status,
            "next_slot": None,
            "last_round": _iso(last),
            "waiting": 0,
            "running": 0,
            "failing": [],
        }
        for pk, slug, status, last in made.annotate(last=newest)
    }
    active = ScheduledPrediction.objects.filter(active=True)
    for pk, at in _by_competition(active).annotate(at=Min("next_slot_at")):
        rows[pk]["next_slot"] = _iso(at)
    due = Round.objects.filter(
        status="RECEIVED", performed_at__isnull=False, resolvable_at__lt=now
    )
    for pk, waiting in _by_competition(due).annotate(count=Count("pk")):
        rows[pk]["waiting"] = waiting
    roster = ParticipantModel.objects.real().exclude(state="STOPPED")
    for pk, model_id, state, failing_since in roster.order_by("model_id").values_list(
        "competition_id", "model_id", "state", "first_error_at"
    ):
        is_well = state == "RUNNING" and failing_since is None
        rows[pk]["running"] += state == "RUNNING"
        if not is_well:
            rows[pk]["failing"].append(model_id)
    failures = CallableFailure.objects.order_by("callable")
    for pk, name in failures.values_list("competition_id", "callable"):
        rows[pk]["failing"].append(name)
    return list(rows.values())


def _by_competition(rows: Any) -> Any:
    return rows.order_by().values_list("competition_id")


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def table(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the lines of a table, each column as wide as its longest cell."""
    titles = ("COMPETITION", "STATUS", "NEXT SLOT", "LAST ROUND", "WAITING", "RUNNING")
    cells: list[tuple[str, ...]] = [(*titles, "FAILING")]
    for row in rows:
        failing = ", ".join(row["failing"]) or "—"
        values = [v for name, v in row.items() if name != "failing"]
        cells.append((*("—" if v is None else str(v) for v in values), failing))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in cells
    ]


@click.command("status")
@click.option("--json", "is_json", is_flag=True, help="The competitions as JSON.")
def command(*, is_json: bool) -> None:
    """Show each competition: state, next slot, last round, what waits or fails."""
    rows = statuses(clock.now())
    if is_json:
        echo(json.dumps(rows))
        return
    for line in table(rows):
        echo(line)
