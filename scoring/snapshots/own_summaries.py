"""Summarise a period with the contract's `aggregate_snapshot`."""

from collections import defaultdict
from typing import Any

from competitions.callables.guarded_calls import CallableError, GuardedCalls
from competitions.callables.slot_answers import json_object
from competitions.contract import CrunchConfig
from competitions.models import Competition
from competitions.slots import Wiring
from core.grid import Period
from core.rounding import rounded
from core.texts import brief
from scoring.models import Score


def own_summaries(
    competition: Competition, wiring: Wiring, period: Period, guarded: GuardedCalls
) -> dict[int, dict[str, Any]]:
    """Call the contract's `aggregate_snapshot` with each model's score results.

    It gets the successful results of the period, oldest first; returns its figures by
    model key. They replace built-in figures of the same name. If it raises for a model,
    or returns no JSON object, that model has only the built-in figures; while it hangs,
    all have.
    """
    aggregate = wiring.config.aggregate_snapshot
    if aggregate is None:
        return {}
    name = "aggregate_snapshot"
    results: dict[int, list[dict[str, Any]]] = defaultdict(list)
    rows: Any = (
        Score.objects.resolved_in(competition, period)
        .order_by("prediction_id")
        .values_list("prediction__model", "success", "result")
    )
    for model, success, result in rows:
        if success:
            results[model].append(result)
    failures: list[Exception] = []

    def summaries() -> dict[int, dict[str, Any]]:
        found = {}
        for model, mine in results.items():
            try:
                found[model] = _checked_summary(aggregate(mine), wiring.config)
            except Exception as error:  # noqa: BLE001  an operator's callable may raise anything
                failures.append(error)
        return found

    try:
        found: dict[int, dict[str, Any]] = guarded.call(
            name, f"contract:{name}", summaries, key=period.start
        )
    except CallableError:
        return {}
    if failures:
        guarded.fail(name, f"contract:{name}", failures[0])
    return found


def _checked_summary(summary: Any, config: CrunchConfig) -> dict[str, Any]:
    """Check a summary: a JSON object whose value, if any, is a number or NULL."""
    found = json_object(summary, "the summary")
    field = config.aggregation.value_field
    value = found.get(field)
    if value is not None and not _is_number(value):
        raise TypeError(f"{field} was {brief(value)}; it is a number or None")
    return {
        name: rounded(value) if _is_number(value) else value
        for name, value in found.items()
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
