"""Ask the models about the samples of tournament rounds, in bounded batches.

The process that owns the competition's gateway calls this. A batch is one transaction:
if the process is killed, only the samples of its last batch are asked again.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction

from competitions.callables.guarded_calls import GuardedCalls
from competitions.errors import CompetitionError
from competitions.gateway.errors import GatewayError
from competitions.gateway.types import Argument, Call, ModelAnswer, ModelIdentity
from competitions.models import Round, TournamentRound
from competitions.roster import sync_roster
from competitions.rounds import perform
from competitions.rounds.check_answers import check_answers
from competitions.rounds.round_leaves import AskedRound, log_rounds
from competitions.rounds.store_answers import copy_answers, note_errors
from competitions.rules_version import log_rules
from competitions.slots import Wiring
from competitions.wiring import wiring_of
from core import clock
from core.texts import describe

log = structlog.get_logger(__name__)

# A batch ends after this many samples, or this long in real time, because scheduled
# rounds wait.
BATCH_SAMPLES, BATCH_S = 1_000, 1.0
_INTERRUPTIONS = (GatewayError, InterfaceError, OperationalError)


class TournamentGateway(perform.Gateway, Protocol):
    """The models' side of the wire; see competitions/gateway/gateway.py."""

    @property
    def is_connected(self) -> bool: ...

    def live(self) -> set[str]: ...


def ask_some(*, competition_id: int, gateway: TournamentGateway) -> bool:
    """Ask a batch of the oldest open round; return whether one could be asked.

    A round that fails stays open with the reason, and the next one is tried. Errors of
    the gateway or the database are raised after the answers so far are stored.
    """
    rounds = TournamentRound.objects.to_ask().filter(competition_id=competition_id)
    for round_ in rounds.select_related("competition"):
        try:
            reason = _ask_batch(round_, gateway)
        except _INTERRUPTIONS:
            raise
        except Exception as error:
            log.exception("tournament.failed", round=round_.pk)
            reason = describe(error)
        if not reason:
            return True
        if reason != round_.reason:
            TournamentRound.objects.to_ask().filter(pk=round_.pk).update(reason=reason)
    return False


@dataclass(frozen=True)
class _Asked:
    """A sample, by its round, and the models' answers."""

    sample: Round
    performed_at: datetime
    answers: list[ModelAnswer]
    timing: Mapping[str, int]


def _ask_batch(round_: TournamentRound, gateway: TournamentGateway) -> str:
    """Ask and store the next samples; return why none could be asked, or empty."""
    competition = round_.competition
    is_complete = gateway.is_roster_complete
    identities = gateway.roster()
    if reason := _not_ready(identities, gateway):
        return reason
    models = sync_roster(
        competition=competition, identities=identities, is_complete=is_complete
    )
    wiring, guarded = wiring_of(competition), GuardedCalls(competition)
    waiting = Round.objects.unasked().filter(tournament=round_).order_by("sample")
    until = time.monotonic() + BATCH_S
    asked: list[_Asked] = []
    failure: CompetitionError | None = None
    columns = ("raw_data", "scope_key", "scope", "slot_at")
    for sample in waiting.only(*columns)[:BATCH_SAMPLES]:
        if not gateway.live():  # all went away, and the rest would be ABSENT at once
            break
        performed_at = clock.now()
        try:
            found = gateway.ask(
                feed=None,
                question=_question(sample, wiring),
                expected=list(models),
            )
        except CompetitionError as error:
            failure = error
            break
        if unknown := [i for i in found.joined if i.model_id not in models]:
            models |= sync_roster(competition=competition, identities=unknown)
        known = [answer for answer in found.answers if answer.model_id in models]
        checked = check_answers(known, wiring, guarded)
        asked.append(_Asked(sample, performed_at, checked, found.timing))
        if time.monotonic() >= until:
            break
    _store(round_, asked, models, wiring)
    if failure is not None:
        raise failure
    return ""


def _not_ready(identities: Sequence[ModelIdentity], gateway: TournamentGateway) -> str:
    """Return why the models cannot be asked yet; empty when they can.

    Tournament rounds are not urgent, so models that are still connecting are waited
    for, up to the two minutes after which the roster counts as complete.
    """
    running = {i.model_id for i in identities if i.state == "RUNNING"}
    live = gateway.live()
    if not gateway.is_connected or not live:
        return "no model is connected"
    if running - live and not gateway.is_roster_complete:
        return f"{len(running - live)} of {len(running)} models are still connecting"
    return ""


def _question(sample: Round, wiring: Wiring) -> Call:
    config = wiring.config
    return Call(
        method=config.call_method.method,
        args=(Argument("JSON", sample.raw_data),),
        largest_answer_bytes=config.max_output_bytes,
        label=str(sample.pk),
    )


def _as_asked(each: _Asked) -> AskedRound:
    sample = each.sample
    return AskedRound(
        pk=sample.pk,
        scope_key=sample.scope_key,
        scope=sample.scope,
        slot_at=sample.slot_at,
        asked_at=each.performed_at,
        resolvable_at=None,
        shown=sample.raw_data,
        answers=each.answers,
    )


@transaction.atomic
def _store(
    round_: TournamentRound,
    asked: Sequence[_Asked],
    models: Mapping[str, int],
    wiring: Wiring,
) -> None:
    """Store the answers of samples that have none yet, and the round's progress."""
    TournamentRound.objects.select_for_update().get(pk=round_.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE inputs SET performed_at = asked.at, timing_jsonb = asked.timing
            FROM unnest(%s::bigint[], %s::timestamptz[], %s::jsonb[])
                AS asked(id, at, timing)
            WHERE inputs.id = asked.id
                AND inputs.status = 'RECEIVED' AND inputs.performed_at IS NULL
            RETURNING inputs.id
            """,
            [
                [each.sample.pk for each in asked],
                [each.performed_at for each in asked],
                [json.dumps(dict(each.timing)) for each in asked],
            ],
        )
        stored = {pk for (pk,) in cursor.fetchall()}
        fresh = [each for each in asked if each.sample.pk in stored]
        rows = ((each.sample.pk, each.performed_at, each.answers) for each in fresh)
        copy_answers(cursor, rows, models)
    if fresh:
        note_errors(fresh[-1].answers, models)
        log_rounds(
            round_.competition,
            map(_as_asked, fresh),
            rules=log_rules(round_.competition, wiring),
        )
    left = Round.objects.unasked().filter(tournament=round_).count()
    is_over = {"status": TournamentRound.Status.INFERRED, "inferred_at": clock.now()}
    TournamentRound.objects.filter(
        pk=round_.pk, status=TournamentRound.Status.OPEN
    ).update(asked=round_.samples - left, reason="", **({} if left else is_over))
    log.info("tournament.asked", round=round_.pk, samples=len(fresh), left=left)
