"""Store an ensemble's predictions of resolved rounds, and their scores."""

from collections.abc import Mapping
from typing import Any

from django.db import connection

from competitions.models import Prediction, Round
from competitions.slots import Wiring
from core.copy import copy_rows
from scoring.scores.score_rounds import score_answers, truths_of
from scoring.scores.store import copy_scores
from scoring.snapshots.fields import signal_field


def store_round_blends(
    *,
    wiring: Wiring,
    model: int,
    answers: Mapping[int, float],
    meta: Mapping[str, Any],
    version: int,
) -> None:
    """Store an ensemble's answers, round key -> signal, and score them.

    `model` is the ensemble's key, `meta` is stored with each prediction, `version` is
    the scoring version. Does nothing without answers.
    """
    if not answers:
        return
    field = signal_field(wiring.config)
    rounds = {
        row.pk: row
        for row in Round.objects.filter(pk__in=answers).only(
            "performed_at", "resolved_at", "actuals"
        )
    }
    with connection.cursor() as cursor:
        copy_rows(
            cursor,
            Prediction._meta.db_table,  # noqa: SLF001  documented API
            (
                *("input_id", "model_id", "outcome", "reason"),
                *("inference_output_jsonb", "performed_at", "meta_jsonb"),
            ),
            (
                (
                    *(pk, model, Prediction.Outcome.ANSWERED, ""),
                    *({field: value}, rounds[pk].performed_at),
                    dict(meta),
                )
                for pk, value in answers.items()
            ),
        )
        scored = score_answers(
            cursor=cursor,
            wiring=wiring,
            truths=truths_of(rounds, wiring),
            model=model,
        )
        copy_scores(
            cursor,
            (
                (
                    *(each.prediction, each.model, version, each.score),
                    rounds[each.round].resolved_at,
                )
                for each in scored
            ),
        )
