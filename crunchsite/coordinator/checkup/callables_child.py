"""The process that tries a node's callables: `python -m ... FILE` writes lines to FILE.

It begins to write before it calls anything, so that what it found up to a crash is
known.
"""

import json
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django

from core.imports import is_within
from core.texts import describe
from core.trial_child import limit_memory

# Below these, a callable needs what only a running site has: records, tables.
_SITES_OWN = ("competitions.defaults", "feeds", "django", "sqlalchemy")
# Made-up values may not be what these take.
_CHOOSY = frozenset({"INFERENCE_INPUT_BUILDER", "INFERENCE_OUTPUT_VALIDATOR"})
# As a round and a cycle call them.
_ORDER = (
    *("RAW_INPUT_PROVIDER", "INFERENCE_INPUT_BUILDER", "PREDICTION_SCOPE_BUILDER"),
    *("PREDICT_CALL_BUILDER", "INFERENCE_OUTPUT_VALIDATOR", "GROUND_TRUTH_RESOLVER"),
    *("SCORING_FUNCTION", "MODEL_SCORE_AGGREGATOR", "LEADERBOARD_RANKER"),
    "REPORT_SCHEMA_PROVIDER",
)
_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def main(file: Path) -> None:
    """Try factories of services, contract, slots and scorer, in this order."""
    limit_memory()
    asked = json.load(sys.stdin)
    django.setup()
    from crunchsite.coordinator.checkup.line import Line

    lines: list[Line] = []

    def say(level: Any, code: str, found: str, do: str = "") -> None:
        lines.append(Line(level, code, found, do))
        file.write_text(json.dumps([asdict(line) for line in lines]))

    _find_factories(say)
    _try_all(asked, say)


def _find_factories(say: Any) -> None:
    """Say which factories cannot be called; what they make needs the running site."""
    from django.conf import settings

    from crunchsite import factories

    bad = factories.refused()
    for error in bad:
        say(
            "FAIL", error.code, str(error), "Correct it in .local.env, or leave it out."
        )
    env = settings.ENV
    named = [env.predict_service_factory, env.score_service_factory]
    if not bad and any([*named, env.report_app_factory]):
        say("OK", "service_factory", "the factories of services can be called.")


def _try_all(asked: Mapping[str, Any], say: Any) -> None:
    from competitions.config_loader import load_config
    from competitions.errors import CompetitionError
    from competitions.slots import wire

    try:
        config = load_config()
    except CompetitionError as error:
        say("FAIL", error.code, str(error))
        return
    key = config.aggregation.ranking_key
    say("OK", "contract", f"it is loaded, and ranks by {key}.")
    if not _all_resolve(asked["places"], say):
        return
    try:
        wiring = wire(config, {})
    except CompetitionError as error:
        say("FAIL", error.code, str(error))
        return
    _call_each(wiring, asked, say)
    _try_scorer(wiring, say)


def _all_resolve(places: Mapping[str, str], say: Any) -> bool:
    """Say of each slot, not of the first alone, whether its path imports and fits."""
    from django.conf import settings

    from competitions import slots
    from competitions.errors import SlotError

    well = True
    for slot in slots.SLOTS:
        path = getattr(settings.ENV, slot.lower()) or slots.default_path(slot)
        try:
            slots.resolve(path, slot)
        except SlotError as error:
            do = f"Correct it in {places[slot] or 'config/callables.env'}."
            say("FAIL", error.code, str(error), do)
            well = False
        else:
            say("OK", "slot", f"{slot} is {path}.")
    return well


def _call_each(wiring: Any, asked: Mapping[str, Any], say: Any) -> None:
    from competitions.slots import SLOTS

    values = _values(wiring.config, asked)
    context = _context(wiring.config, asked)
    for slot in _ORDER:
        names = SLOTS[slot]
        if wiring.is_default(slot) or slot == "SCORING_FUNCTION":
            continue
        path = wiring.paths[slot]
        try:
            answer = wiring.call(
                slot, *(values[name] for name in names), context=context
            )
        except BaseException as error:  # noqa: BLE001  an operator's callable may raise anything
            if _needs_site(error):
                found = f"{slot} needs the site's data; it is tried when it runs."
                say("SKIP", "slot_call", found)
                continue
            level = "WARN" if slot in _CHOOSY else "FAIL"
            found = f"{slot} ({path}) raised on made-up values: {describe(error)}."
            say(level, "slot_raised", found, "Correct it, or see what it was given.")
        else:
            say("OK", "slot_call", f"{slot} returns on made-up values.")
            _use(slot, answer, values)


def _use(slot: str, answer: Any, values: dict[str, Any]) -> None:
    """Let later slots see what an earlier one gave, as in a round."""
    match slot, answer:
        case "RAW_INPUT_PROVIDER", dict():
            values |= {"raw_input": answer, "inference_input": answer}
        case "INFERENCE_INPUT_BUILDER", dict():
            values["inference_input"] = answer
        case "PREDICTION_SCOPE_BUILDER", {"scope": dict() as scope}:
            values["scope"] = values["prediction"].scope = scope


def _needs_site(error: BaseException) -> bool:
    return any(
        is_within(frame.f_globals.get("__name__", ""), _SITES_OWN)
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _values(config: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each parameter of a slot, if possible of its type."""
    from scoring.activation import made_up_answer

    candle = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.0, "volume": 1.0}
    start = int(_AT.timestamp()) - 60 * 60
    raw = {
        "symbol": asked["scope_template"].get("subject", config.scope.subject),
        "asof_ts": start + 59 * 60,
        "candles_1m": [{"ts": start + 60 * i, **candle} for i in range(60)],
    }
    output: Any = {"value": 0.5}
    with suppress(ValueError, TypeError):  # a type may need more than a signal
        output = made_up_answer(config, 0.5).model_dump(mode="json")
    scope = {**config.scope.model_dump(), **asked["scope_template"]}
    schedule = {
        "scope_key": asked["scope_key"],
        "scope_template": asked["scope_template"],
        "prediction_interval_seconds": asked.get("prediction_interval_seconds", 60),
        "resolve_horizon_seconds": asked.get("resolve_horizon_seconds", 60),
        "meta": {},
    }
    scope["resolve_horizon_seconds"] = schedule["resolve_horizon_seconds"]
    asked_at = SimpleNamespace(
        performed_at=_AT, resolvable_at=_AT + timedelta(seconds=60), scope=scope
    )
    return {
        "raw_input": raw,
        "inference_input": raw,
        "inference_output": output,
        "prediction": asked_at,
        "scored_predictions": [],
        "models": [],
        "entries": [],
        "now": _AT,
        "config": schedule,
        "scope": scope,
    }


def _context(config: Any, asked: Mapping[str, Any]) -> Any:
    from competitions.defaults import RoundContext
    from feeds.tape.records import FeedKey

    subject = asked["scope_template"].get("subject", config.scope.subject)
    kind, length = asked["kind"] or "candle", asked["granularity"] or "1m"
    feed = FeedKey("simulated", subject, kind, length)
    return RoundContext(config=config, feed=feed, window=60)


def _try_scorer(wiring: Any, say: Any) -> None:
    from scoring.activation import dry_run

    path = wiring.paths["SCORING_FUNCTION"]
    try:
        found = dry_run(wiring)
    except BaseException as error:  # noqa: BLE001  an operator's scorer may raise anything
        say("FAIL", "scorer_failed", f"{path} raised: {describe(error)}.")
        return
    for text in found.errors:
        say("FAIL", "scorer_failed", f"{path}: {text}.", "Correct it.")
    for text in found.warnings:
        say("WARN", "scorer_doubtful", f"{path}: {text}", "See what it computes.")
    if not (found.errors or found.warnings):
        say("OK", "scorer", f"{path} gives different values for different answers.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
