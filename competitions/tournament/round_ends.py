"""End tournament rounds: truths posted, all samples scored, or void."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from competitions.errors import TournamentConflictError, TournamentError
from competitions.models import Competition, Round, TournamentRound
from competitions.patience import PATIENCE
from competitions.tournament.opening import digest_of, fitting_each, note_post
from competitions.wiring import wiring_of
from core import clock
from core.texts import brief

VOID = "void: the competition ended before its truth was posted"


def give_truths(*, round_: TournamentRound, truths: Any, user: Any = None) -> None:
    """Store the truth of every sample, which makes all of them due for scoring.

    `truths` is a list in the order of the samples, or an object of sample id (`"0"`,
    `"1"`, ...) to truth; with one sample, its truth itself will do. The trail tells of
    a `user` who gives them. The same post again changes nothing. Raises TournamentError
    for truths that do not fit, and TournamentConflictError when others were posted, or
    samples were not asked yet.
    """
    kind = wiring_of(round_.competition).config.ground_truth_type
    given = list(fitting_each(_in_order(truths, round_.samples), kind, "ground_truth"))
    digest, status = digest_of(given), TournamentRound.Status
    with transaction.atomic():
        held = TournamentRound.objects.select_for_update().get(pk=round_.pk)
        if held.truth_digest == digest:
            return
        if held.truth_digest:
            raise TournamentConflictError(
                f"round {held} was scored with other truths; a correction is an "
                "operator's act."
            )
        if held.status != status.INFERRED:
            raise TournamentConflictError(
                f"round {held} was {held.status}, {held.asked} of {held.samples} "
                f"samples asked; post the truth when it is {status.INFERRED}."
            )
        now = clock.now()
        _store(held, given, now)
        held.truth_digest, held.truth_at = digest, now
        held.save(update_fields=["truth_digest", "truth_at"])
        note_post(held, "truths", user)


def _in_order(truths: Any, samples: int) -> Sequence[Any]:
    """Return the truths by sample, from 0 on; raises TournamentError."""
    if isinstance(truths, dict):
        names = [str(i) for i in range(samples)]
        if samples == 1 and truths.keys() != {"0"}:
            return [truths]
        if unknown := sorted(truths.keys() - set(names)):
            raise TournamentError(
                f"ground_truth: there is no sample {brief(unknown[0])}; they are 0 to "
                f"{samples - 1}."
            )
        if missing := [name for name in names if name not in truths]:
            raise TournamentError(f"ground_truth: sample {missing[0]} is missing.")
        return [truths[name] for name in names]
    if not isinstance(truths, list):
        raise TournamentError("ground_truth: a list or an object is needed.")
    if len(truths) != samples:
        raise TournamentError(
            f"ground_truth had {len(truths)} truths; the round has {samples} samples."
        )
    return truths


def _store(
    round_: TournamentRound, truths: Sequence[dict[str, Any]], now: datetime
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE inputs SET
                actuals_jsonb = given.actuals,
                resolvable_at = GREATEST(%s, inputs.performed_at)
            FROM unnest(%s::int[], %s::jsonb[]) AS given(sample, actuals)
            WHERE inputs.tournament_id = %s AND inputs.sample = given.sample
            """,
            [
                now,
                list(range(len(truths))),
                [json.dumps(truth, allow_nan=False) for truth in truths],
                round_.pk,
            ],
        )


def hold_posted(rounds: Collection[int]) -> None:
    """Lock tournament rounds, before those of their samples that may get a truth."""
    list(
        TournamentRound.objects.select_for_update()
        .filter(pk__in=rounds)
        .order_by("pk")
        .values_list("pk")
    )


def note_ended(rounds: Collection[int]) -> None:
    """Mark as SCORED those tournament rounds whose samples have all ended.

    Runs in the transaction that ends samples. Does nothing for other rounds.
    """
    if not rounds:
        return
    # If two workers end the last samples at once, the second sees the first's.
    hold_posted(rounds)
    going_on = Round.objects.filter(
        tournament__in=rounds, status=Round.Status.RECEIVED
    ).values("tournament")
    TournamentRound.objects.filter(
        pk__in=rounds, status=TournamentRound.Status.INFERRED
    ).exclude(pk__in=going_on).update(
        status=TournamentRound.Status.SCORED, scored_at=clock.now()
    )


@transaction.atomic
def void_unscored(*, competition: Competition) -> int:
    """Void an ending competition's open rounds without truths; return how many.

    They wait as long as other rounds wait for the tape.
    """
    ending_at, now = competition.ending_at, clock.now()
    if ending_at is None or now < ending_at + PATIENCE:
        return 0
    status = TournamentRound.Status
    waiting = TournamentRound.objects.filter(
        competition=competition,
        status__in=[status.OPEN, status.INFERRED],
        truth_at__isnull=True,
    )
    ended = list(
        waiting.select_for_update().order_by("pk").values_list("pk", flat=True)
    )
    if ended:
        TournamentRound.objects.filter(pk__in=ended).update(
            status=status.VOID, reason=VOID
        )
        Round.objects.filter(tournament__in=ended, status=Round.Status.RECEIVED).update(
            status=Round.Status.VOID, reason=VOID
        )
    return len(ended)
