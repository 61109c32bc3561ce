"""The actions on a competition: a description of the effect, and the service."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from celery import current_app
from django.contrib.admin.models import CHANGE
from django.db import transaction
from django.db.models import Count, Q
from kombu.exceptions import OperationalError

from competitions.definition import problems_of
from competitions.grid_dispatch import predict_now
from competitions.lifecycle import activate, end, pause
from competitions.models import Competition, ParticipantModel, Round
from competitions.wiring import wiring_of
from core import audit, clock
from core.errors import OperatorError
from core.texts import counted
from scoring.activation import dry_run
from scoring.corrections import Correction, Newest, rescore, void
from scoring.cycle import run_cycle


@dataclass(frozen=True)
class Action:
    """`effect` describes what will happen; `run` does it and describes the result.

    One that is whole, one transaction with its trail, calls no operator's code.
    """

    title: str
    permission: str
    effect: Callable[[Competition], list[str]]
    run: Callable[[Competition], str]
    is_whole: bool = True


def _activate_effect(competition: Competition) -> list[str]:
    if problems := problems_of(competition):
        return [f"Refused as long as this stands: {point}." for point in problems]
    return [
        *(f"Look at this first: {warning}" for warning in _warnings(competition)),
        f"Asked from the next slot of the grid on: {_models(competition)}.",
        "The feeds of its schedule are subscribed.",
    ]


def _activate(competition: Competition) -> str:
    """Activate; a scorer that gives constant values causes a warning, not a refusal."""
    activate(competition_id=competition.pk)
    warnings = (f"But {warning}" for warning in _warnings(competition))
    return " ".join([f"{competition} is active.", *warnings])


def _warnings(competition: Competition) -> list[str]:
    return dry_run(wiring_of(competition)).warnings


def _pause_effect(competition: Competition) -> list[str]:
    rounds = Round.objects.filter(
        competition=competition, status=Round.Status.RECEIVED
    ).aggregate(
        waiting=Count("pk", filter=Q(performed_at__isnull=True)),
        asked=Count("pk", filter=Q(performed_at__isnull=False)),
    )
    return [
        f"No longer asked: {_models(competition)}.",
        f"Asked before, and still scored: {counted(rounds['asked'], 'round')}.",
        f"Not asked yet, and to end as missed: {counted(rounds['waiting'], 'round')}.",
    ]


def _pause(competition: Competition) -> str:
    pause(competition_id=competition.pk)
    return f"{competition} is paused."


def _end_effect(competition: Competition) -> list[str]:
    asked = Round.objects.filter(
        competition=competition, status=Round.Status.RECEIVED
    ).count()
    return [
        f"No longer asked: {_models(competition)}.",
        f"Scored a last time: {counted(asked, 'round')}.",
        "Then the last checkpoint is made, with the end of the last snapshot period"
        if competition.emission_interval_s
        else "No checkpoint is made: emissions are off.",
        "Then its status is ENDED, for good. Until then, Activate takes it back.",
    ]


def _end(competition: Competition) -> str:
    end(competition_id=competition.pk)
    return f"{competition} is ending."


def _predict_effect(competition: Competition) -> list[str]:
    schedules = competition.scheduled_predictions.filter(active=True).count()
    return [
        f"Made for this instant, beside the grid: {counted(schedules, 'round')}.",
        f"Asked at once, and scored as ever: {_models(competition)}.",
    ]


def _predict(competition: Competition) -> str:
    rounds = predict_now(competition_id=competition.pk)
    transaction.on_commit(
        lambda: current_app.send_task(
            "competitions.predict", [competition.pk], expires=30
        )
    )
    return f"{counted(rounds, 'round')} made; the worker asks the models now."


def _score_effect(competition: Competition) -> list[str]:
    due = Round.objects.due(clock.now()).filter(competition=competition).count()
    return [
        f"Due, and scored if their truth is on the tape: {counted(due, 'round')}.",
        "Snapshots and leaderboard are brought up to date.",
    ]


def _score(competition: Competition) -> str:
    report = run_cycle(competition_id=competition.pk)
    return (
        f"{counted(report.resolved, 'round')} resolved, {report.unresolvable} "
        "unresolvable, "
        f"{report.waiting} waiting for truth; "
        f"{counted(report.scored, 'prediction')} scored, {report.failed} failed."
    )


def _act(verb: str) -> str:
    return f"competitions.{verb}_competition"


def _models(competition: Competition) -> str:
    return counted(ParticipantModel.objects.expected(competition).count(), "model")


ACTIONS: Mapping[str, Action] = {
    "activate": Action(
        "Activate", _act("activate"), _activate_effect, _activate, is_whole=False
    ),
    "pause": Action("Pause", _act("pause"), _pause_effect, _pause),
    "end": Action("End", _act("end"), _end_effect, _end),
    "predict-now": Action("Predict now", _act("predict"), _predict_effect, _predict),
    "score-now": Action(
        "Score now", _act("score"), _score_effect, _score, is_whole=False
    ),
}


class BrokerError(OperatorError):
    """The broker does not answer, so no worker can be asked; earlier writes stay."""

    code = "broker_down"


def press(*, action: Action, competition: Competition, user: Any, reason: str) -> str:
    """Run the action and write the trail; what is refused writes no entry.

    Raises BrokerError when no worker is told of what was done.
    """
    before = competition.status
    try:
        with transaction.atomic() if action.is_whole else nullcontext():
            message = action.run(competition)
            competition.refresh_from_db(fields=["status"])
            audit.note(
                user,
                [competition],
                flag=CHANGE,
                what=f"{action.title}: {message} {before} to {competition.status}. "
                f"Reason: {reason}",
            )
    except OperationalError as error:
        raise BrokerError(f"The broker does not answer: {error}.") from error
    return message


@dataclass(frozen=True)
class Corrector:
    """A correction of a range of time; `service` previews and applies it."""

    title: str
    permission: str
    service: Callable[..., Correction]


CORRECTIONS: Mapping[str, Corrector] = {
    "rescore": Corrector("Score again", _act("rescore"), rescore),
    "void": Corrector("Void", _act("void"), void),
}


def correct(
    *,
    kind: str,
    competition: Competition,
    user: Any,
    reason: str,
    span: Mapping[str, Any],
    preview: bool,
    on: Newest | None,
) -> Correction:
    """Preview or apply a correction of a range of time; applying writes to the trail.

    `span` has the arguments of the service: start, end, and for a void a scope_key.
    Refused if something was corrected since `on`.
    """
    corrector = CORRECTIONS[kind]
    with transaction.atomic():  # no correction without an entry in the trail
        done = corrector.service(
            competition_id=competition.pk,
            reason=reason,
            author=user.get_username(),
            preview=preview,
            on=on,
            **span,
        )
        if not preview:
            where = span.get("scope_key") or "every scope"
            audit.note(
                user,
                [competition],
                flag=CHANGE,
                what=f"{corrector.title}: [{span['start']:%Y-%m-%d %H:%M:%S}, "
                f"{span['end']:%Y-%m-%d %H:%M:%S}) UTC, {where}. {in_words(done)} "
                f"Reason: {reason}",
            )
    return done


def asked(
    kind: str, competition: Competition, span: Mapping[str, Any], on: Newest
) -> list[Any]:
    """Return everything that a preview depends on: see crunchsite.operator.previews."""
    parts = (span["start"], span["end"], span.get("scope_key", ""))
    return [competition.pk, kind, *on, *parts]


def in_words(done: Correction) -> str:
    """Return the correction in one sentence."""
    return (
        f"{counted(done.rounds, 'round')}, {counted(done.scores, 'new score')}, "
        f"{counted(done.snapshots, 'snapshot')} superseded, "
        f"{counted(len(done.moves), 'model')} changed."
    )
