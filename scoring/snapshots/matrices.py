"""Read a period's resolved rounds and predictions as matrices, without loops."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from competitions.contract import RETURN_SPELLINGS, CrunchConfig
from competitions.models import Competition, Prediction
from competitions.models.rounds import RESOLVED_IN
from competitions.slots import Wiring
from core.columns import json_number, read_columns
from core.grid import Period
from core.rounding import LARGEST
from scoring.metrics.ranks import Floats
from scoring.models import CURRENT_SCORE, Rescoring
from scoring.snapshots.fields import score_fields, signal_field

_RETURN = ", ".join(json_number("actuals_jsonb", name) for name in RETURN_SPELLINGS)
_ROUNDS = f"""
    SELECT id, extract(epoch FROM performed_at)::float8,
        scheduled_prediction_id,
        coalesce({_RETURN}, 'NaN')
    FROM inputs AS round WHERE {RESOLVED_IN}
    ORDER BY performed_at, id
"""
_SIGNAL = """
        CASE WHEN prediction.outcome = %s THEN coalesce({}, 'NaN') ELSE 'NaN' END
"""
# A field of a score may have the name of one of our columns.
_FIELD_PREFIX = "field "
_FIELD = """
        CASE WHEN score.success THEN coalesce({}, 'NaN') ELSE 'NaN' END
"""
_CELLS = f"""
    SELECT prediction.input_id, prediction.model_id,
        {{signal}}, CASE WHEN score.success THEN score.value ELSE 'NaN' END {{fields}}
    FROM inputs AS round
    JOIN predictions AS prediction ON prediction.input_id = round.id
    LEFT JOIN scores AS score ON score.prediction_id = prediction.id
        {{current}}
    WHERE {RESOLVED_IN}
"""
# Undeclared keys of results, up to a maximum number.
_EXTRAS = f"""
    SELECT prediction.model_id, field.key, avg(field.value::float8)
    FROM inputs AS round
    JOIN predictions AS prediction ON prediction.input_id = round.id
    JOIN scores AS score ON score.prediction_id = prediction.id AND score.success
        {{current}}
    CROSS JOIN LATERAL jsonb_each(score.result_jsonb) AS field
    WHERE {RESOLVED_IN}
        AND field.key <> ALL(%s) AND CASE WHEN jsonb_typeof(field.value) = 'number'
            THEN abs(field.value::numeric) <= {LARGEST:g} ELSE false END
    GROUP BY prediction.model_id, field.key
    ORDER BY field.key
"""
# A scorer that invents a key for each round must not fill the summaries.
MOST_EXTRAS = 50


@dataclass(frozen=True)
class PeriodScores:
    """All predictions of a period's resolved rounds, as matrices (rounds, models)."""

    round_ids: NDArray[np.int64]
    model_ids: NDArray[np.int64]
    asked: NDArray[np.bool_]
    signals: Floats
    scores: Floats
    actuals: Floats
    scopes: NDArray[np.int64]
    fields: dict[str, Floats]


def read_scores(
    *, competition: Competition, wiring: Wiring, period: Period
) -> PeriodScores:
    """Read a period's resolved rounds and their predictions in three statements."""
    span = [competition.pk, period.start, period.end]
    with connection.cursor() as cursor:
        rounds = read_columns(
            cursor, _ROUNDS, span, id=int, performed_at=float, scope=int, actual=float
        )
    cells = _read_cells(competition, wiring.config, period)
    return _as_matrices(rounds["id"], rounds["actual"], rounds["scope"], cells)


def read_again(
    scores: PeriodScores,
    *,
    competition: Competition,
    wiring: Wiring,
    period: Period,
    models: Sequence[int],
) -> PeriodScores:
    """Return the matrices with the columns of some models read anew; two statements.

    The caller holds the competition's lock, so the rounds are the same.
    """
    cells = _read_cells(competition, wiring.config, period, models)
    new = _as_matrices(scores.round_ids, scores.actuals, scores.scopes, cells)
    others = ~np.isin(scores.model_ids, new.model_ids)
    model_ids = np.concatenate([scores.model_ids[others], new.model_ids])
    order = np.argsort(model_ids)

    def joined(old: NDArray[Any], added: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([old[:, others], added], axis=1)[:, order]

    return replace(
        scores,
        model_ids=model_ids[order],
        asked=joined(scores.asked, new.asked),
        signals=joined(scores.signals, new.signals),
        scores=joined(scores.scores, new.scores),
        fields={
            name: joined(column, new.fields[name])
            for name, column in scores.fields.items()
        },
    )


def _read_cells(
    competition: Competition,
    config: CrunchConfig,
    period: Period,
    models: Sequence[int] | None = None,
) -> dict[str, NDArray[Any]]:
    """Read a period's predictions as columns; those of some models, or of all."""
    signal = json_number("prediction.inference_output_jsonb", signal_field(config))
    fields = score_fields(config)
    more = [_FIELD.format(json_number("score.result_jsonb", name)) for name in fields]
    statement = _CELLS.format(
        signal=_SIGNAL.format(signal),
        fields="".join(f", {each}" for each in more),
        current=_current(competition),
    )
    parameters: list[Any] = [
        *(Prediction.Outcome.ANSWERED, competition.pk),
        *(period.start, period.end),
    ]
    if models is not None:
        statement += " AND prediction.model_id = ANY(%s)"
        parameters.append(list(models))
    with connection.cursor() as cursor:
        return read_columns(
            cursor,
            statement,
            parameters,
            round=int,
            model=int,
            signal=float,
            score=float,
            **{f"{_FIELD_PREFIX}{name}": float for name in fields},
        )


def _as_matrices(
    round_ids: NDArray[np.int64],
    actuals: Floats,
    scopes: NDArray[np.int64],
    cells: dict[str, NDArray[Any]],
) -> PeriodScores:
    model_ids, column = np.unique(cells["model"], return_inverse=True)
    by_id = np.argsort(round_ids)
    row = by_id[np.searchsorted(round_ids, cells["round"], sorter=by_id)]

    def matrix(values: NDArray[Any]) -> Floats:
        cellular = np.full((len(round_ids), len(model_ids)), np.nan)
        cellular[row, column] = values
        return cellular

    asked = np.zeros((len(round_ids), len(model_ids)), dtype=bool)
    asked[row, column] = True
    return PeriodScores(
        round_ids=round_ids,
        model_ids=model_ids,
        asked=asked,
        signals=matrix(cells["signal"]),
        scores=matrix(cells["score"]),
        actuals=actuals,
        scopes=scopes,
        fields={
            name.removeprefix(_FIELD_PREFIX): matrix(column)
            for name, column in cells.items()
            if name.startswith(_FIELD_PREFIX)
        },
    )


def read_extras(
    *, competition: Competition, wiring: Wiring, period: Period
) -> dict[int, dict[str, float]]:
    """Return means of the numbers in a period's results that their type lacks.

    By model key and name; only a limited number of names. One statement, none for a
    type that keeps no extra keys.
    """
    kind = wiring.config.score_type
    if kind.model_config.get("extra") != "allow":
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _EXTRAS.format(current=_current(competition)),
            [competition.pk, period.start, period.end, list(kind.model_fields)],
        )
        rows = cursor.fetchall()
    names = list(dict.fromkeys(name for _, name, _ in rows))[:MOST_EXTRAS]
    means: dict[int, dict[str, float]] = defaultdict(dict)
    for model, name, mean in rows:
        if name in names:
            means[model][name] = mean
    return means


def _current(competition: Competition) -> str:
    # Versions matter only if something was ever rescored.
    is_rescored = Rescoring.objects.filter(competition=competition).exists()
    return f"AND {CURRENT_SCORE}" if is_rescored else ""
