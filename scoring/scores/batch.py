"""Batch scorers: arrays in, arrays out, one call for all predictions of a batch.

A contract's `batch_scoring_function(predictions, ground_truth)` gets two mappings of
field name to float64 array, one number per prediction, NaN where a field is missing:
the numeric fields of the output type, and those of the ground truth type. It answers
with an array of values, or a mapping of arrays that has the value field. A value that
is not finite fails its prediction; when a call raises, it is repeated on halves until
the predictions that it cannot score are alone, within a number of calls. One that does
not come back in time fails all that it was given.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel

from competitions.contract import numeric_fields
from core.deadline import Late, in_time
from core.rounding import LARGEST
from core.texts import brief, describe, storable
from scoring.scores.budget import Budget
from scoring.scores.scorer import Failure, NewScore

Columns = dict[str, np.ndarray]

NO_NUMBER = f"the batch scorer gave no number within {LARGEST:g}"

# How long, in real time, one call may take, and how many calls a batch may need.
PATIENCE_S = 60.0
MOST_CALLS = 10_000


def columns_of(kind: type[BaseModel], rows: Sequence[BaseModel]) -> Columns:
    """Return the numeric fields of objects as columns; NaN where out of bounds."""
    return {
        name: np.array([_number(getattr(row, name)) for row in rows], dtype=np.float64)
        for name in numeric_fields(kind)
    }


def _number(value: float | None) -> float:
    return np.nan if value is None or not abs(value) <= LARGEST else value


def score_columns(
    *,
    scorer: Callable[..., Any],
    predictions: Columns,
    truths: Columns,
    value_field: str,
) -> list[NewScore]:
    """Score all predictions in one call; those that cannot be scored fail alone."""
    size = len(next(iter(predictions.values())))
    if not size:
        return []  # nothing to score: max() of nothing raises, and there are no halves
    calls = _Calls(scorer, value_field)
    answers, reasons = calls.answers(predictions, truths, size)
    success = np.abs(answers[value_field]) <= LARGEST  # NaN is not
    if "success" in answers:
        success &= answers["success"].astype(bool)
    names = [name for name in answers if name != "success"]
    rows = zip(*(answers[name].tolist() for name in names), strict=True)
    place = names.index(value_field)
    keys = [json.dumps(name).replace("%", "%%") for name in names]
    texts = ", ".join(f"{key}: %s" for key in keys).join("{}")
    return [
        NewScore(row[place], True, "", texts % tuple(map(_json, row)))
        if is_good
        else Failure(reasons.get(i, NO_NUMBER)).scored
        for i, (row, is_good) in enumerate(zip(rows, success.tolist(), strict=True))
    ]


def _json(value: float) -> str:
    return repr(value) if np.isfinite(value) else "null"


class _Calls:
    """All calls for one batch; they share its time."""

    def __init__(self, scorer: Callable[..., Any], value_field: str) -> None:
        self._scorer, self._value_field = scorer, value_field
        self._budget, self._count = Budget(), 0

    def answers(
        self, predictions: Columns, truths: Columns, size: int
    ) -> tuple[Columns, dict[int, str]]:
        """Return the answers as columns, and the reasons of missing ones, by place."""
        patience_s = min(PATIENCE_S, self._budget.left_s)
        if not patience_s or self._count >= MOST_CALLS:
            often = f"not scored: the batch scorer kept raising in {MOST_CALLS} calls"
            return self._unknown(size, often if patience_s else self._budget.reason)
        self._count += 1
        try:
            answer = in_time(
                # Copies: if it changes them and raises, its halves are as they were.
                lambda: self._scorer(_copied(predictions), _copied(truths)),
                patience_s,
                key=id(self._scorer),
            )
        except Late as error:
            return self._unknown(size, f"not scored by the batch scorer: {error}")
        except Exception as error:  # noqa: BLE001  a scorer may raise anything
            if size == 1:
                return self._unknown(size, describe(error))
            half = size // 2
            parts = [
                self.answers(_part(predictions, part), _part(truths, part), n)
                for part, n in ((slice(half), half), (slice(half, size), size - half))
            ]
            return _joined(parts, half, size)
        try:
            return _columns(answer, self._value_field, size), {}
        except Exception as error:  # noqa: BLE001  arrays of any library may raise
            return self._unknown(size, describe(error))

    def _unknown(self, size: int, reason: str) -> tuple[Columns, dict[int, str]]:
        column = np.full(size, np.nan)
        return {self._value_field: column}, dict.fromkeys(range(size), reason)


def _columns(answer: Any, value_field: str, size: int) -> Columns:
    columns = answer if isinstance(answer, Mapping) else {value_field: answer}
    for name in columns:
        if not isinstance(name, str) or name != storable(name):
            raise ValueError(f"a key was {brief(name)}; keys are text without NUL")
    if value_field not in columns:
        raise ValueError(f"keys were {sorted(columns)}; {value_field} is needed")
    result = {n: np.array(c, dtype=np.float64) for n, c in columns.items()}
    for name, column in result.items():
        if column.shape != (size,):
            raise ValueError(f"{name} had shape {column.shape}; it must be ({size},)")
    return result


def _copied(columns: Columns) -> Columns:
    return {name: column.copy() for name, column in columns.items()}


def _part(columns: Columns, part: slice) -> Columns:
    return {name: column[part] for name, column in columns.items()}


def _joined(
    parts: list[tuple[Columns, dict[int, str]]], half: int, size: int
) -> tuple[Columns, dict[int, str]]:
    """Join both halves; a column that a failed half lacks is NaN there."""
    (first, first_reasons), (second, second_reasons) = parts
    columns = {}
    for name in dict.fromkeys([*first, *second]):
        columns[name] = np.concatenate(
            [
                first.get(name, np.full(half, np.nan)),
                second.get(name, np.full(size - half, np.nan)),
            ]
        )
    shifted = {half + i: reason for i, reason in second_reasons.items()}
    return columns, first_reasons | shifted
