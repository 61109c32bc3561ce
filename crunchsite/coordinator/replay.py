"""`coordinator replay`: a round made again from what is stored."""

import json
from datetime import datetime

import click

from competitions.kept_rules import changes_between
from competitions.models import Competition, Round
from core.errors import OperatorError
from core.tlog.exact import exact_digest
from crunchsite.coordinator import exits
from crunchsite.coordinator.chosen import competition_named
from crunchsite.coordinator.logs import Since
from crunchsite.coordinator.terminal import echo
from scoring.replaying import RebuiltRound, replay

MOST_DIFFERENCES = 10


class RoundUnknownError(OperatorError):
    """There is no round of this slot."""

    code = "round_unknown"
    status = 404


@click.command("replay")
@click.argument("slot", type=Since())
@click.option("--slug", default="", help="The competition; default: the first one.")
@click.option("--scope-key", default="", help="One of the questions of the slot.")
@click.option("--json", "is_json", is_flag=True, help="The parts and digests as JSON.")
def command(*, slot: datetime, slug: str, scope_key: str, is_json: bool) -> None:
    """Make the rounds of SLOT again from what is stored; exit code 1 if one differs.

    SLOT is an instant in UTC, as boards and pages show it. Input, call, outputs, truth
    and scores are made with the code and the tape of now, and compared by digests with
    what was stored then, and with the log. Nothing is written.
    """
    found = [replay(r) for r in _rounds(competition_named(slug), slot, scope_key)]
    if is_json:
        echo(json.dumps([_as_json(each) for each in found]))
    else:
        for each in found:
            _show(each)
    if not all(each.is_same for each in found):
        click.get_current_context().exit(exits.FAILED)


def _rounds(competition: Competition, slot: datetime, scope_key: str) -> list[Round]:
    rounds = competition.rounds.select_related("competition", "scheduled_prediction")
    if scope_key:
        rounds = rounds.filter(scope_key=scope_key)
    found = list(rounds.filter(slot_at=slot).order_by("scope_key"))
    if found:
        return found
    asked = rounds.filter(performed_at__isnull=False)
    near = asked.filter(slot_at__lte=slot).order_by("-slot_at").first()
    near = near or asked.order_by("slot_at").first()
    hint = f" The nearest is {near.slot_at:%Y-%m-%dT%H:%M:%SZ}." if near else ""
    raise RoundUnknownError(
        f"{competition} has no round at {slot:%Y-%m-%dT%H:%M:%SZ}.{hint}"
    )


def _as_json(found: RebuiltRound) -> dict[str, object]:
    return {
        "round": found.round.pk,
        "competition": found.round.competition.slug,
        "scope_key": found.round.scope_key,
        "slot_at": found.round.slot_at.isoformat(),
        "status": found.round.status,
        "stored": found.stored,
        "rebuilt": found.rebuilt,
        "is_same": found.is_same,
        "parts": [
            {
                "name": part.name,
                "stored": exact_digest(part.stored),
                "rebuilt": exact_digest(part.rebuilt),
                "differences": list(changes_between(part.stored, part.rebuilt)),
            }
            for part in found.parts
        ],
        "notes": found.notes,
    }


def _show(found: RebuiltRound) -> None:
    echo(f"{found.round} of {found.round.competition}, {found.round.status}")
    for part in found.parts:
        word = "OK" if part.is_same else "FAIL"
        echo(f"{word:<4}  {part.name:<8}  {exact_digest(part.rebuilt)}")
        lines = list(changes_between(part.stored, part.rebuilt))
        for line in lines[:MOST_DIFFERENCES]:
            echo(f"      {line}")
        if len(lines) > MOST_DIFFERENCES:
            echo(f"      and {len(lines) - MOST_DIFFERENCES} more")
    echo(f"      stored    {found.stored}")
    echo(f"      rebuilt   {found.rebuilt}")
    for note in found.notes:
        echo(f"  {note}", err=True)
