"""Try a competition's schedule and report schema before any model is asked."""

from typing import Any

from competitions.callables.guarded_calls import CallableError, GuardedCalls
from competitions.models import Competition
from competitions.report_schema import ask_provider
from competitions.rounds.build_question import (
    NoInputError,
    build_call,
    build_input,
    context_of,
)
from competitions.slots import Wiring
from core.texts import message_of


def try_schedule(competition: Competition, wiring: Wiring) -> list[str]:
    """Build the question of each active schedule; return the problems found.

    The operator's builders are tried on the newest input, if there is one; the built-in
    ones need no trial.
    """
    problems = []
    builders = ("PREDICTION_SCOPE_BUILDER", "PREDICT_CALL_BUILDER")
    need_input = not all(wiring.is_default(slot) for slot in builders)
    for scheduled in competition.scheduled_predictions.filter(active=True):
        scheduled.competition = competition
        guarded = GuardedCalls(competition)
        context = context_of(scheduled, wiring)
        model_input: dict[str, Any] = {}
        if need_input:
            try:
                _, model_input = build_input(context, wiring, guarded)
            except (NoInputError, CallableError):
                continue  # the tape is still empty: the first round will show problems
        try:
            build_call(
                scheduled=scheduled,
                wiring=wiring,
                guarded=guarded,
                context=context,
                model_input=model_input,
            )
        except Exception as error:  # noqa: BLE001  a builder may raise anything
            problems.append(f"schedule {scheduled.scope_key}: {message_of(error)}")
    return problems


def try_schema(competition: Competition, wiring: Wiring) -> list[str]:
    """Get the report schema; return the problems found."""
    try:
        ask_provider(competition, wiring)
    except CallableError as error:
        return [message_of(error)]
    return []
