"""A period's resolved rounds and predictions as matrices, read without loops."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from django.db import connection

from competitions.contract import RETURN_SPELLINGS, CrunchConfig, numeric_fields
from competitions.models import Competition, Prediction
from competitions.models.rounds import RESOLVED_IN
from competitions.slots import Wiring
from core.columns import LARGEST, json_number, read_columns
from core.grid import Period
from scoring.models import CURRENT_SCORE, Rescoring

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
# Keys of results that the score type does not declare; as many as there may be.
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
# A scorer that makes up a key for each round shall not fill the summaries.
MOST_EXTRAS = 50


@dataclass(frozen=True)
class Scores:
    """All predictions of a period's resolved rounds, as matrices (rounds, models)."""

    round_ids: np.ndarray
    model_ids: np.ndarray
    asked: np.ndarray
    signals: np.ndarray
    scores: np.ndarray
    actuals: np.ndarray
    scopes: np.ndarray
    fields: dict[str, np.ndarray]


def read_scores(*, competition: Competition, wiring: Wiring, period: Period) -> Scores:
    """Read a period's resolved rounds and their predictions in three statements."""
    current = _current(competition)
    span = [competition.pk, period.start, period.end]
    signal = json_number(
        "prediction.inference_output_jsonb", signal_field(wiring.config)
    )
    fields = score_fields(wiring.config)
    more = [_FIELD.format(json_number("score.result_jsonb", name)) for name in fields]
    with connection.cursor() as cursor:
        rounds = read_columns(
            cursor, _ROUNDS, span, id=int, performed_at=float, scope=int, actual=float
        )
        cells = read_columns(
            cursor,
            _CELLS.format(
                signal=_SIGNAL.format(signal),
                fields="".join(f", {each}" for each in more),
                current=current,
            ),
            [Prediction.Outcome.ANSWERED, *span],
            round=int,
            model=int,
            signal=float,
            score=float,
            **dict.fromkeys(fields, float),
        )
    model_ids, column = np.unique(cells["model"], return_inverse=True)
    by_id = np.argsort(rounds["id"])
    row = by_id[np.searchsorted(rounds["id"], cells["round"], sorter=by_id)]

    def matrix(values: np.ndarray | bool, empty: float | bool) -> np.ndarray:
        cellular = np.full((len(rounds["id"]), len(model_ids)), empty)
        cellular[row, column] = values
        return cellular

    return Scores(
        round_ids=rounds["id"],
        model_ids=model_ids,
        asked=matrix(values=True, empty=False),
        signals=matrix(cells["signal"], np.nan),
        scores=matrix(cells["score"], np.nan),
        actuals=rounds["actual"],
        scopes=rounds["scope"],
        fields={name: matrix(cells[name], np.nan) for name in fields},
    )


def read_extras(
    *, competition: Competition, wiring: Wiring, period: Period
) -> dict[int, dict[str, float]]:
    """Means of the numbers in a period's results that their type does not declare.

    By model key and name; of the first so many names. One statement, none for a type
    that keeps no extra keys.
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
    # Only where something was ever scored again does the version matter.
    is_rescored = Rescoring.objects.filter(competition=competition).exists()
    return f"AND {CURRENT_SCORE}" if is_rescored else ""


def score_fields(config: CrunchConfig) -> list[str]:
    """Numbers that the score type declares beside the value field."""
    names = numeric_fields(config.score_type)
    return [name for name in names if name != config.aggregation.value_field]


def signal_field(config: CrunchConfig) -> str:
    """The output's number that the metrics look at: `value`, else the first number."""
    if "value" in config.output_type.model_fields:
        return "value"
    return next(iter(numeric_fields(config.output_type)), "value")
