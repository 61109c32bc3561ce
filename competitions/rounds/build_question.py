"""Build a round's feed update and question from the tape and the contract.

The slots that an operator may replace (raw input, model input, scope, call) are called
here, each through `GuardedCalls`.
"""

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings

from competitions.callables.guarded_calls import CallableError, GuardedCalls
from competitions.callables.slot_answers import checked_call, checked_scope, fitting
from competitions.defaults import RoundContext
from competitions.gateway.types import Argument, Call
from competitions.models import ScheduledPrediction
from competitions.round_feed import feed_of
from competitions.rounds import freshness
from competitions.slots import Wiring
from competitions.wiring import wiring_of
from core import clock


class NoInputError(Exception):
    """The tape has no usable input for the round; the text is the round's reason."""


@dataclass(frozen=True)
class RoundQuestion:
    """Everything that a round sends, the same for every model.

    `feed` is the update with the model input, `call` the question that follows it.
    `input_age_s` is the age of the newest record in seconds, None where unknown.
    """

    scope_key: str
    scope: dict[str, Any]
    raw_data: dict[str, Any]
    model_input: dict[str, Any]
    input_age_s: float | None
    feed: Call
    call: Call


def build_question(
    *, scheduled: ScheduledPrediction, wiring: Wiring, guarded: GuardedCalls
) -> RoundQuestion:
    """Run the input, scope and call slots of a round.

    Raises NoInputError when the tape has no input or only an old one, and CallableError
    naming the slot that failed.
    """
    context = context_of(scheduled, wiring)
    raw_data, model_input = build_input(context, wiring, guarded)
    scope_key, scope, call = build_call(
        scheduled=scheduled,
        wiring=wiring,
        guarded=guarded,
        context=context,
        model_input=model_input,
    )
    return RoundQuestion(
        scope_key=scope_key,
        scope=scope,
        raw_data=raw_data,
        model_input=model_input,
        input_age_s=_checked_age(raw_data, scope, wiring),
        feed=_feed_update(model_input, wiring),
        call=call,
    )


def newest_feeds(*, slug: str) -> list[Call]:
    """Return what the competition's rounds would send now: one update per subject."""
    feeds: dict[str, Call] = {}
    for scheduled in ScheduledPrediction.objects.filter(
        competition__slug=slug, active=True
    ).select_related("competition"):
        wiring = wiring_of(scheduled.competition)
        context = context_of(scheduled, wiring)
        if context.feed.subject not in feeds:
            with suppress(NoInputError, CallableError):
                _, model_input = build_input(
                    context, wiring, GuardedCalls(scheduled.competition)
                )
                feeds[context.feed.subject] = _feed_update(model_input, wiring)
    return list(feeds.values())


def context_of(scheduled: ScheduledPrediction, wiring: Wiring) -> RoundContext:
    """Return the facts about a schedule's round that its callables may need."""
    return RoundContext(
        config=wiring.config,
        feed=feed_of(scheduled.competition, scheduled.scope_template, wiring.config),
        window=settings.ENV.feed_candles_window,
    )


def build_input(
    context: RoundContext, wiring: Wiring, guarded: GuardedCalls
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the raw input from the tape and build the model input from it.

    Raises NoInputError and CallableError.
    """
    config = wiring.config
    raw = guarded.call_slot(
        wiring,
        "RAW_INPUT_PROVIDER",
        clock.now(),
        check=lambda raw: None if raw is None else fitting(raw, config.raw_input_type),
        context=context,
        key=context.feed,
    )
    if raw is None:
        raise NoInputError(
            f"the tape has no closed {context.feed.kind} of "
            f"{context.feed.source}:{context.feed.subject}"
        )
    return raw, build_model_input(raw, context, wiring, guarded)


def build_model_input(
    raw: dict[str, Any], context: RoundContext, wiring: Wiring, guarded: GuardedCalls
) -> dict[str, Any]:
    """Return the models' input of a raw one, which stays as it was read.

    Raises CallableError.
    """
    slot = "INFERENCE_INPUT_BUILDER"
    model_input: dict[str, Any] = guarded.call_slot(
        wiring,
        slot,
        raw if wiring.is_default(slot) else deepcopy(raw),
        check=lambda built: fitting(built, wiring.config.input_type),
        context=context,
        key=context.feed,
    )
    return model_input


def build_call(
    *,
    scheduled: ScheduledPrediction,
    wiring: Wiring,
    guarded: GuardedCalls,
    context: RoundContext,
    model_input: Mapping[str, Any],
) -> tuple[str, dict[str, Any], Call]:
    """Run the scope and call slots; return scope key, scope and question.

    Raises CallableError naming the operator's slot that failed; the engine's own raise
    ValueError.
    """
    row = {
        "scope_key": scheduled.scope_key,
        "scope_template": scheduled.scope_template,
        "prediction_interval_seconds": scheduled.prediction_interval_s,
        "resolve_horizon_seconds": scheduled.resolve_horizon_s,
        "meta": scheduled.meta,
    }
    scoped = guarded.call_slot(
        wiring,
        "PREDICTION_SCOPE_BUILDER",
        row,
        model_input,
        check=checked_scope,
        context=context,
        key=scheduled.pk,
    )
    scope = {
        "source": context.feed.source,
        "kind": context.feed.kind,
        "granularity": context.feed.granularity,
        **scoped["scope"],
    }
    call = guarded.call_slot(
        wiring,
        "PREDICT_CALL_BUILDER",
        row,
        model_input,
        scope,
        check=checked_call,
        context=context,
        key=scheduled.pk,
    )
    return (
        scoped["scope_key"],
        scope,
        Call(
            method=wiring.config.call_method.method,
            args=call.args,
            kwargs=call.kwargs,
            largest_answer_bytes=wiring.config.max_output_bytes,
        ),
    )


def _checked_age(
    raw_data: Mapping[str, Any], scope: Mapping[str, Any], wiring: Wiring
) -> float | None:
    """Return the age of the newest record; raises NoInputError when it is too old."""
    kind, granularity = scope["kind"], scope["granularity"]
    age_s = freshness.age_s(raw_data, kind=kind, granularity=granularity)
    limit = freshness.limit(wiring.config, granularity=granularity)
    if age_s is not None and age_s > limit.total_seconds():
        raise NoInputError(
            f"the newest {kind} of {raw_data.get('symbol', 'the input')} is "
            f"{timedelta(seconds=round(age_s))} old; {limit} is the most"
        )
    return age_s


def _feed_update(model_input: dict[str, Any], wiring: Wiring) -> Call:
    return Call(
        method=wiring.config.feed_update_method, args=(Argument("JSON", model_input),)
    )
