"""Open a tournament round: store all its samples at once, or none of them."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.contrib.admin.models import CHANGE
from django.db import connection, transaction
from django.db.models import Max
from pydantic import BaseModel, ValidationError

from competitions.errors import (
    DefinitionError,
    TournamentConflictError,
    TournamentError,
)
from competitions.models import (
    Competition,
    Round,
    ScheduledPrediction,
    TournamentRound,
)
from competitions.models.tournament import LONGEST_ROUND_ID
from competitions.wiring import wiring_of
from core import audit, clock
from core.copy import copy_rows
from core.misfits import first_misfit
from core.texts import brief, describe, storable_json

log = structlog.get_logger(__name__)

MOST_SAMPLES = 10_000
_ROUND_ID = re.compile(rf"[A-Za-z0-9._-]{{1,{LONGEST_ROUND_ID}}}")
_US = timedelta.resolution


def open_round(
    *,
    competition: Competition,
    round_id: str,
    features: Sequence[Any],
    scope_key: str | None = None,
    user: Any = None,
) -> TournamentRound:
    """Store a round and its samples, for the models' owner to ask; returns it.

    `features` holds one object of the contract's `input_type` for each sample;
    `scope_key` names the schedule whose scope they belong to, the first one by default.
    The trail tells of a `user` who opens it. The same post again returns the same
    round. Raises TournamentError for features,
    names and scopes that do not fit, TournamentConflictError when the round was opened
    with others, DefinitionError unless the competition is ACTIVE.
    """
    if not _ROUND_ID.fullmatch(round_id):
        raise TournamentError(
            f"round_id was {brief(round_id)}; it has 1 to {LONGEST_ROUND_ID}"
            f" letters, digits, dots, dashes and underscores."
        )
    scheduled = _schedule(competition, scope_key)
    if not 1 <= len(features) <= MOST_SAMPLES:
        raise TournamentError(
            f"features had {len(features)} samples; 1 to {MOST_SAMPLES} are taken."
        )
    kind = wiring_of(competition).config.input_type
    samples = list(fitting_each(features, kind, "features"))
    digest = digest_of([scheduled.scope_key, samples])
    with transaction.atomic():
        found = TournamentRound.objects.filter(
            competition=competition, round_id=round_id
        ).first()
        if found is None and competition.status != Competition.Status.ACTIVE:
            raise DefinitionError(
                f"{competition.slug} was {competition.status}; activate it first."
            )
        # One at a time: two rounds of a schedule must not get the same slots.
        ScheduledPrediction.objects.select_for_update(no_key=True).get(pk=scheduled.pk)
        round_, is_new = TournamentRound.objects.get_or_create(
            competition=competition,
            round_id=round_id,
            defaults={
                "scheduled_prediction": scheduled,
                "samples": len(samples),
                "features_digest": digest,
                "created_at": clock.now(),
            },
        )
        if round_.features_digest != digest:
            raise TournamentConflictError(
                f"round {round_id} was opened with other features or another scope; "
                "choose another id."
            )
        if is_new:
            _copy_samples(round_, scheduled, samples)
            note_post(round_, "features", user)
    if is_new:
        log.info(
            "tournament.opened",
            competition=competition.slug,
            round=round_id,
            samples=len(samples),
        )
    return round_


def note_post(round_: TournamentRound, what: str, user: Any) -> None:
    """Write into the trail who posted a round's features or truths, if it is known."""
    if user is not None:
        said = f"Posted the {what} of {round_.samples} samples of round {round_}."
        audit.note(user, [round_.competition], flag=CHANGE, what=said)


def fitting_each(
    items: Sequence[Any],
    kind: type[BaseModel],
    name: str,
    place: Callable[[int], str] = "sample {}".format,
) -> Iterator[dict[str, Any]]:
    """Yield each item unchanged; raises TournamentError naming the first wrong one."""
    for i, item in enumerate(items):
        if not isinstance(item, dict):
            raise TournamentError(
                f"{name}: {place(i)} was {brief(item)}; an object is needed."
            )
        item = storable_json(item)  # noqa: PLW2901  what is checked is what is kept
        try:
            kind.model_validate(item)
        except ValidationError as error:
            raise TournamentError(
                f"{name}: {place(i)}: {first_misfit(error)}"
            ) from None
        except Exception as error:  # noqa: BLE001  a type's own validator may raise anything
            raise TournamentError(f"{name}: {place(i)}: {describe(error)}") from None
        yield item


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _schedule(competition: Competition, scope_key: str | None) -> ScheduledPrediction:
    """Return the schedule of that scope, active or not: only its scope is used."""
    schedules = {s.scope_key: s for s in competition.scheduled_predictions.all()}
    if scope_key is None:
        scope_key = next(iter(schedules), "")
    if scope_key not in schedules:
        raise TournamentError(
            f"scope was {brief(scope_key)}; the scopes of {competition.slug} are "
            f"{', '.join(schedules) or 'none'}."
        )
    return schedules[scope_key]


def _copy_samples(
    round_: TournamentRound,
    scheduled: ScheduledPrediction,
    samples: Sequence[dict[str, Any]],
) -> None:
    first = _free_slot(scheduled, round_.created_at, len(samples))
    scope = {**scheduled.scope_template, "round_id": round_.round_id}
    with connection.cursor() as cursor:
        copy_rows(
            cursor,
            Round._meta.db_table,  # noqa: SLF001  documented API
            (
                *("competition_id", "scheduled_prediction_id", "slot_at", "status"),
                *("reason", "scope_key", "scope_jsonb", "raw_data_jsonb"),
                *("timing_jsonb", "received_at", "tournament_id", "sample"),
            ),
            (
                (
                    round_.competition_id,
                    scheduled.pk,
                    (first + i * _US).isoformat(),
                    Round.Status.RECEIVED.value,
                    "",
                    scheduled.scope_key,
                    {**scope, "feature_index": i},
                    features,
                    {},
                    round_.created_at.isoformat(),
                    round_.pk,
                    i,
                )
                for i, features in enumerate(samples)
            ),
        )


def _free_slot(scheduled: ScheduledPrediction, now: datetime, samples: int) -> datetime:
    """Return the first of `count` slots, a microsecond apart, that are not taken.

    Whole seconds belong to the grid. The caller holds the schedule's row.
    """
    newest = scheduled.rounds.filter(slot_at__gte=now).aggregate(at=Max("slot_at"))
    first: datetime = max(now, newest["at"] or now) + _US
    second = first.replace(microsecond=0)
    if first == second or first + samples * _US > second + timedelta(seconds=1):
        first = second + timedelta(seconds=first != second) + _US
    return first
