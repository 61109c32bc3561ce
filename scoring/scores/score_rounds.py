"""Score the stored answers of resolved rounds with the contract's scorer.

The cycle, a rescoring and the ensembles all score through this module.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from competitions.contract import CrunchConfig, numeric_fields
from competitions.models import Prediction, Round
from competitions.slots import Wiring
from core.columns import json_number, read_columns
from scoring.scores import batch
from scoring.scores.scorer import NewScore, score_all

Truths = Mapping[int, BaseModel]

_ANSWERS = """
    SELECT prediction.id, prediction.input_id, prediction.model_id{columns}
    FROM predictions AS prediction {join}
    WHERE prediction.input_id = ANY(%s) AND prediction.outcome = %s {which}
    ORDER BY prediction.id
"""
_MODEL = "JOIN models AS model ON model.id = prediction.model_id"


class ScoredAnswer(NamedTuple):
    """The keys of a prediction, its round and its model, and its new score."""

    prediction: int
    round: int
    model: int
    score: NewScore


def score_answers(
    *, cursor: Any, wiring: Wiring, truths: Truths, model: int | None = None
) -> list[ScoredAnswer]:
    """Score the answers of rounds, given as round key -> typed truth; writes nothing.

    With a model, only that one's answers. One statement.
    """
    if not truths:
        return []
    which = "" if model is None else "AND prediction.model_id = %s"
    wanted = [list(truths), Prediction.Outcome.ANSWERED, *([model] if model else [])]
    if wiring.config.batch_scoring_function is None:
        return _one_by_one(cursor, wiring, truths, which, wanted)
    return _in_columns(cursor, wiring.config, truths, which, wanted)


def truths_of(rounds: Mapping[int, Round], wiring: Wiring) -> Truths:
    """Return the stored truths of resolved rounds as objects of the contract's type."""
    kind = wiring.config.ground_truth_type
    return {pk: kind.model_validate(round_.actuals) for pk, round_ in rounds.items()}


def _one_by_one(
    cursor: Any, wiring: Wiring, truths: Truths, which: str, wanted: list[Any]
) -> list[ScoredAnswer]:
    columns = ", inference_output_jsonb::text, model.model_id"
    cursor.execute(_ANSWERS.format(columns=columns, join=_MODEL, which=which), wanted)
    rows = cursor.fetchall()
    scores = score_all(
        wiring=wiring,
        outputs=[output for *_, output, _ in rows],
        truths=[truths[round_] for _, round_, *_ in rows],
        names=[(model_id, pk) for pk, *_, model_id in rows],
    )
    return [
        ScoredAnswer(pk, round_, model, score)
        for (pk, round_, model, *_), score in zip(rows, scores, strict=True)
    ]


def _in_columns(
    cursor: Any,
    config: CrunchConfig,
    truths: Truths,
    which: str,
    wanted: list[Any],
) -> list[ScoredAnswer]:
    scorer = config.batch_scoring_function
    assert scorer is not None  # the caller has checked this
    names = numeric_fields(config.output_type)
    columns = "".join(
        f", coalesce({json_number('inference_output_jsonb', name)}, 'NaN')"
        for name in names
    )
    rows = read_columns(
        cursor,
        _ANSWERS.format(columns=columns, join="", which=which),
        wanted,
        prediction=int,
        round=int,
        model=int,
        **dict.fromkeys(names, float),
    )
    rounds = np.array(sorted(truths))
    place = np.searchsorted(rounds, rows["round"])
    known = batch.columns_of(
        config.ground_truth_type, [truths[pk] for pk in rounds.tolist()]
    )
    scores = batch.score_columns(
        scorer=scorer,
        predictions={name: rows[name] for name in names},
        truths={name: column[place] for name, column in known.items()},
        value_field=config.aggregation.value_field,
    )
    return [
        ScoredAnswer(*row)
        for row in zip(
            *(rows[name].tolist() for name in ("prediction", "round", "model")),
            scores,
            strict=True,
        )
    ]
