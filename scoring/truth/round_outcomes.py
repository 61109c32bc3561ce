"""Store how due rounds ended, and which ones are late."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from competitions.models import Round
from competitions.patience import is_late
from competitions.tape_ends import Truth
from competitions.tournament.round_ends import hold_posted, note_ended
from core.facts import Fact, FactKind, announce
from core.texts import readable

FACT_KINDS = {
    Round.Status.RESOLVED: FactKind.ROUND_SCORED,
    Round.Status.UNRESOLVABLE: FactKind.ROUND_UNRESOLVABLE,
    Round.Status.VOID: FactKind.ROUND_VOID,
}


def end_rounds(rounds: Sequence[Round], truths: Sequence[Truth], now: datetime) -> None:
    """Store and announce how the rounds ended; do nothing when all of them wait."""
    ended = [
        (round_, readable(truth.reason), truth)
        for round_, truth in zip(rounds, truths, strict=True)
        if not truth.is_waiting
    ]
    if not ended:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE inputs SET
                status = ended.status,
                resolved_at = CASE WHEN ended.actuals IS NULL THEN NULL ELSE %s END,
                actuals_jsonb = ended.actuals,
                provenance_jsonb = ended.provenance,
                reason = ended.reason
            FROM unnest(
                %s::bigint[], %s::text[], %s::text[], %s::jsonb[], %s::jsonb[]
            ) AS ended(id, status, reason, actuals, provenance)
            WHERE inputs.id = ended.id
            """,
            [
                now,
                [round_.pk for round_, _, _ in ended],
                [truth.status.value for _, _, truth in ended],
                [reason for _, reason, _ in ended],
                [_json(truth.actuals) for _, _, truth in ended],
                [_json(truth.provenance) for _, _, truth in ended],
            ],
        )
    note_ended({r.tournament_id for r, _, _ in ended if r.tournament_id is not None})
    announce(
        *(
            _fact(FACT_KINDS[truth.status], round_, reason)
            for round_, reason, truth in ended
        )
    )


def void_rounds(rounds: QuerySet[Round], reason: str) -> int:
    """End rounds as VOID, scored or not; return how many.

    A tournament round of which no sample is left has ended with them.
    """
    posted = set(rounds.order_by().values_list("tournament", flat=True).distinct())
    if posted := posted - {None}:
        hold_posted(posted)  # whoever posts their truths holds them first, too
    count = rounds.update(status=Round.Status.VOID, reason=reason)
    note_ended(posted)
    return count


def _fact(kind: FactKind, round_: Round, reason: str) -> Fact:
    payload = {
        "round": round_.pk,
        "scope_key": round_.scope_key,
        "slot_at": round_.slot_at.isoformat(),
        **({"reason": reason} if reason else {}),
    }
    return Fact(kind, round_.competition_id, payload)


def note_late(rounds: Sequence[Round], truths: Sequence[Truth], now: datetime) -> None:
    """Mark the rounds that wait past their deadline; one statement, or none.

    A mark later than `now` was made while a clock was ahead, and is replaced.
    """
    late = [
        round_.pk
        for round_, truth, late in zip(
            rounds, truths, is_late(rounds, now), strict=True
        )
        if late
        and truth.is_waiting
        and (round_.overdue_at is None or round_.overdue_at > now)
    ]
    if late:
        Round.objects.filter(pk__in=late).update(overdue_at=now)


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, allow_nan=False)
