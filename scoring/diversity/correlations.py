"""Correlate the signals of models, pair by pair, over the newest rounds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection

from competitions.models import Competition, ParticipantModel, Prediction
from competitions.slots import Wiring
from core.columns import json_number, read_columns
from core.rounding import rounded
from scoring.metrics.ranks import pairwise_spearman
from scoring.models import LeaderboardEntry
from scoring.snapshots.fields import signal_field

NEWEST_ROUNDS = 500
# Fewer common rounds say nothing about two models.
LEAST_IN_COMMON = 10


@dataclass(frozen=True)
class Correlations:
    """Spearman's rho of every two models, in the order of the board.

    `matrix` has the shape (models, models), None where unknown; the diagonal is 1.
    `rounds` is the number of newest rounds that were compared.
    """

    models: list[ParticipantModel]
    matrix: list[list[float | None]]
    rounds: int


def correlations(
    *, competition: Competition, wiring: Wiring, limit: int
) -> Correlations:
    """Compare the best `limit` real models of the newest board; two statements.

    As in the metric `model_correlation`, a pair is ranked over the rounds of both.
    """
    entries = (
        LeaderboardEntry.objects.filter(
            leaderboard__competition=competition,
            leaderboard__is_newest=True,
            model__is_virtual=False,
        )
        .select_related("model")
        .order_by("position", "pk")[:limit]
    )
    models = [entry.model for entry in entries]
    signals = _signals(competition, wiring, [model.pk for model in models])
    rho = pairwise_spearman(signals)
    known = (~np.isnan(signals)).astype(np.float64)
    rho[known @ known.T < LEAST_IN_COMMON] = np.nan
    np.fill_diagonal(rho, 1.0)
    return Correlations(
        models=models,
        matrix=[[rounded(cell) for cell in row] for row in rho.tolist()],
        rounds=signals.shape[1],
    )


def _signals(
    competition: Competition, wiring: Wiring, models: Sequence[int]
) -> np.ndarray:
    """Return signals as (models, rounds), NaN where a model gave none."""
    signal = json_number("answer.inference_output_jsonb", signal_field(wiring.config))
    with connection.cursor() as cursor:
        cells = read_columns(
            cursor,
            f"""
            SELECT answer.input_id, answer.model_id, coalesce({signal}, 'NaN')
            FROM (
                SELECT id FROM inputs
                WHERE competition_id = %s AND status = 'RESOLVED'
                ORDER BY resolved_at DESC, id DESC LIMIT %s
            ) AS round
            JOIN predictions AS answer ON answer.input_id = round.id
            WHERE answer.model_id = ANY(%s::bigint[]) AND answer.outcome = %s
            """,
            [
                *(competition.pk, NEWEST_ROUNDS),
                *(list(models), Prediction.Outcome.ANSWERED),
            ],
            round=int,
            model=int,
            signal=float,
        )
    rounds, column = np.unique(cells["round"], return_inverse=True)
    ordered = np.argsort(np.array(models, dtype=np.int64))
    row = ordered[np.searchsorted(models, cells["model"], sorter=ordered)]
    signals = np.full((len(models), len(rounds)), np.nan)
    signals[row, column] = cells["signal"]
    return signals
