"""The built-in callable for each of the ten slots.

An operator's callable replaces one by path (see slots.py) and may call it. A callable
may have a further parameter `context` (a `RoundContext`) with the facts about its
round.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from competitions import tape_ends
from competitions.contract import CrunchConfig
from competitions.patience import waited_out
from competitions.round_feed import feed_of
from competitions.shared.question_rule import call_arguments, raw_window, scope_of
from competitions.shared.score_rule import scoring_function as scoring_function
from competitions.standard_report import standard_schema
from competitions.wiring import wiring_of
from core import clock
from feeds.tape import reads
from feeds.tape.records import FeedKey


@dataclass(frozen=True)
class RoundContext:
    """The facts about a round that its callables may need."""

    config: CrunchConfig
    feed: FeedKey
    window: int


def raw_input_provider(
    now: datetime, context: RoundContext | None = None
) -> dict[str, Any] | None:
    """Read the newest closed records of the round's subject; None without any.

    `{symbol, asof_ts, candles_1m: [{ts, open, high, low, close, volume}]}`, ascending,
    `ts` in epoch seconds of the opening (the key is `candles_1m` for any granularity);
    for ticks `{symbol, asof_ts, ticks: [{ts, price}]}`.
    """
    assert context is not None  # the engine always passes it
    records = reads.newest_closed(
        key=context.feed,
        at=now,
        limit=context.window,
    )
    if not records:
        return None
    rows = [{"ts": int(r.ts_event.timestamp()), **r.values} for r in records]
    return raw_window(context.feed.subject, context.feed.kind, rows)


def inference_input_builder(raw_input: dict[str, Any]) -> dict[str, Any]:
    """Return the raw input unchanged as the models' input."""
    return raw_input


def inference_output_validator(inference_output: Any) -> Any:
    """Return the output unchanged; the engine checks it against its type."""
    return inference_output


def prediction_scope_builder(
    config: Mapping[str, Any],
    inference_input: Mapping[str, Any],
    context: RoundContext | None = None,
) -> dict[str, Any]:
    """Merge the schedule's scope into the contract's defaults, in both spellings."""
    assert context is not None
    scope = scope_of(
        context.config.scope.model_dump(),
        config["scope_template"],
        config["resolve_horizon_seconds"],
    )
    return {"scope_key": config["scope_key"], "scope": scope}


def predict_call_builder(
    config: Mapping[str, Any],
    inference_input: Mapping[str, Any],
    scope: Mapping[str, Any],
    context: RoundContext | None = None,
) -> dict[str, Any]:
    """Take the positional arguments of the contract's call method from the scope.

    Raises ValueError for an argument that the scope does not have, or not as its type.
    """
    assert context is not None
    wanted = ((each.name, each.type) for each in context.config.call_method.args)
    return {"args": call_arguments(wanted, scope), "kwargs": {}}


def ground_truth_resolver(prediction: Any) -> dict[str, Any] | None:
    """Return the truth of a record with `performed_at`, `resolvable_at`, `scope`.

    None as long as the tape does not settle it; raises ValueError for what it can never
    say, like a return on an entry price of 0. The engine resolves whole sets of rounds
    by this same rule, and asks the provider about what the tape lacks
    (competitions/tape_ends.py, scoring/truth/resolve.py).
    """
    if prediction.performed_at == prediction.resolvable_at:
        return dict(prediction.raw_data)
    competition = prediction.competition
    config = wiring_of(competition).config
    feed, now = feed_of(competition, prediction.scope, config), clock.now()
    [end] = tape_ends.ends_on_tape(
        feed,
        [prediction],
        now,
        fraction=config.max_ground_truth_staleness_fraction,
        is_over=waited_out(feed.source, [prediction], now),
        gaps=tape_ends.Gaps.PROVIDER_DOWN,
    ).ends
    truth = tape_ends.priced(feed, end) if isinstance(end, tape_ends.Ends) else end
    if truth.reason:
        raise ValueError(truth.reason)
    return truth.actuals


def model_score_aggregator(
    scored_predictions: Iterable[Mapping[str, Any]], models: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the mean of each model's successful scores; None without any."""
    values: dict[str, list[float]] = defaultdict(list)
    for scored in scored_predictions:
        if scored["success"] and scored["value"] is not None:
            values[scored["model_id"]].append(scored["value"])
    return [
        {
            "model_id": model_id,
            "score": {
                "metrics": {
                    "value": sum(values[model_id]) / len(values[model_id])
                    if values[model_id]
                    else None
                }
            },
        }
        for model_id in models
    ]


def leaderboard_ranker(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rank from 1 by `score.ranking`; unknown values last, ties by model id."""

    def order(entry: Mapping[str, Any]) -> tuple[bool, float, str]:
        ranking = entry["score"]["ranking"]
        value = ranking["value"]
        if value is None:
            return True, 0.0, entry["model_id"]
        signed = value if ranking["direction"] == "asc" else -value
        return False, signed, entry["model_id"]

    ranked = sorted(entries, key=order)
    return [{**entry, "rank": rank} for rank, entry in enumerate(ranked, start=1)]


def report_schema_provider(config: CrunchConfig | None = None) -> dict[str, Any]:
    """Return columns and widgets of the standard report, from the contract."""
    return standard_schema(config or CrunchConfig())
