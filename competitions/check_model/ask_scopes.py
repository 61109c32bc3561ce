"""Ask a model as the competition's schedules do: about each of their scopes."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from competitions.contract import CrunchConfig
from competitions.gateway.types import Argument, Call, ModelAnswer
from competitions.rounds.check_answers import check_answer
from competitions.shared.question_rule import raw_window, scope_of
from competitions.slots import Wiring

WINDOW = 120
# Asking stops after this long, so that slow models end, too.
MOST_ASKING_S = 120.0
NO_SCHEDULE_S = 60  # the horizon where the contract has no schedule
Scope = Mapping[str, Any]
# Sends a feed update, asks a question, and returns one answer for each instance.
Ask = Callable[[Call, Call], Sequence[ModelAnswer]]


@dataclass(frozen=True)
class AskedRounds:
    """How the first instance answered. Times are its answer times, in milliseconds.

    `problems` counts each text; `is_deterministic` is None when nothing was compared.
    """

    rounds: int = 0
    answered: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    p50_ms: float | None = None
    p99_ms: float | None = None
    is_deterministic: bool | None = None
    sample: Any = None


def scopes_of(config: CrunchConfig) -> list[Scope]:
    """Return the scopes of a contract's schedules; its own defaults without any."""
    schedules = [each for each in config.scheduled_predictions if each.active]
    asked = [(s.scope_template, s.schedule.resolve_horizon_seconds) for s in schedules]
    return scopes_like(config, asked or [({}, NO_SCHEDULE_S)])


def scopes_like(
    config: CrunchConfig, asked: Sequence[tuple[Scope, int]]
) -> list[Scope]:
    """Return the scopes of schedules, given by their templates and horizons."""
    defaults = config.scope.model_dump()
    return [scope_of(defaults, template, horizon) for template, horizon in asked]


def ask_all(
    ask: Ask,
    wiring: Wiring,
    scopes: Sequence[Scope],
    candles: Sequence[Mapping[str, float]],
    rounds: int,
) -> AskedRounds:
    """Ask round by round, in one scope after another; returns how the first answered.

    Each round sends one candle more, at most the newest `WINDOW`. There are as many
    rounds as scopes at least, unless the model is too slow for that.
    """
    rounds = max(rounds, len(scopes))
    times_ms, agreements = [], []
    answered, sample = 0, None
    problems: Counter[str] = Counter()
    asked, stop_at = 0, time.monotonic() + MOST_ASKING_S
    for number in range(rounds):
        if time.monotonic() > stop_at:
            break
        asked += 1
        end = max(1, len(candles) - rounds + number + 1)
        scope = scopes[number % len(scopes)]
        feed, question = _calls(wiring, scope, candles[max(0, end - WINDOW) : end])
        first, *others = (check_answer(a, wiring) for a in ask(feed, question))
        if first.exec_time_us is not None:
            times_ms.append(first.exec_time_us / 1000)
        if first.warning:
            problems[first.warning] += 1
        if first.outcome != "ANSWERED":
            problems[first.reason] += 1
            continue
        answered += 1
        sample = first.result
        agreements += [
            first.result == other.result
            for other in others
            if other.outcome == "ANSWERED"
        ]
    at_p99 = min(len(times_ms) - 1, asked * 99 // 100)
    return AskedRounds(
        rounds=asked,
        answered=answered,
        problems=problems,
        p50_ms=statistics.median(times_ms) if times_ms else None,
        p99_ms=sorted(times_ms)[at_p99] if times_ms else None,
        is_deterministic=all(agreements) if agreements else None,
        sample=sample,
    )


def _calls(
    wiring: Wiring, scope: Scope, window: Sequence[Mapping[str, float]]
) -> tuple[Call, Call]:
    """Build the feed update and the question of one round with the contract."""
    config = wiring.config
    data = raw_window(scope["subject"], "candle", window)
    feed = Call(config.feed_update_method, (Argument("JSON", data),))
    return feed, Call(
        config.call_method.method,
        tuple(
            Argument(argument.type, scope.get(argument.name, ""))
            for argument in config.call_method.args
        ),
        largest_answer_bytes=config.max_output_bytes,
    )
