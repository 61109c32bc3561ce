"""Building a period's snapshots from its stored scores."""

import hashlib
from typing import Any

import numpy as np

from competitions.models import Competition
from core.clock import iso_z
from core.rounding import means_of_columns, rounded
from core.tlog.exact import exact_json
from scoring.books.period_figures import apply_books, book_figures
from scoring.metrics.parts import WIDTH
from scoring.models import Snapshot
from scoring.snapshots.ensembles import PeriodEnsembles
from scoring.snapshots.matrices import read_extras
from scoring.snapshots.own_summaries import own_summaries
from scoring.snapshots.period_metrics import period_metrics


def build_snapshots(ensembles: PeriodEnsembles) -> list[Snapshot]:
    """Build the snapshots of the ensembles' period from its scores; writes nothing."""
    competition, wiring = ensembles.competition, ensembles.wiring
    period, guarded = ensembles.period, ensembles.guarded
    scores = ensembles.scores
    names = _model_names(competition)
    counts = (~np.isnan(scores.scores)).sum(axis=0)
    expected = scores.asked.sum(axis=0)
    value_field = wiring.config.aggregation.value_field
    metrics, parts = period_metrics(ensembles)
    columns = {
        value_field: means_of_columns(scores.scores),
        **{name: means_of_columns(values) for name, values in scores.fields.items()},
        **metrics,
    }
    extras = read_extras(competition=competition, wiring=wiring, period=period)
    own = own_summaries(competition, wiring, period, guarded)
    model_ids: list[int] = scores.model_ids.tolist()
    if wiring.config.trading is not None:
        books = book_figures(competition=competition, wiring=wiring, period=period)
        # Who was asked nothing in the period may still hold a position that moved.
        silent = [pk for pk in sorted(books.keys() - model_ids) if books[pk].has_moved]
        model_ids += silent
        counts, expected = (np.append(n, [0] * len(silent)) for n in (counts, expected))
        columns = {n: np.append(c, [np.nan] * len(silent)) for n, c in columns.items()}
        parts = np.vstack([parts, np.zeros((len(silent), WIDTH))])
        of_models = [books.get(pk) for pk in model_ids]
        columns |= apply_books(of_models, parts, value_field=value_field)
    snapshots = []
    for i, model_pk in enumerate(model_ids):
        summary = {
            **{name: rounded(x) for name, x in extras.get(model_pk, {}).items()},
            **{name: rounded(column[i]) for name, column in columns.items()},
            **own.get(model_pk, {}),
        }
        snapshot = Snapshot(
            model_id=model_pk,
            period_start=period.start,
            period_end=period.end,
            prediction_count=int(counts[i]),
            expected_count=int(expected[i]),
            value=summary[value_field],
            result_summary=summary,
            parts=parts[i].tolist(),
        )
        snapshot.content_hash = content_hash(snapshot, names[model_pk])
        snapshots.append(snapshot)
    return snapshots


def content_hash(snapshot: Snapshot, model_id: str) -> str:
    """Return the SHA-256 of the snapshot's exact JSON (core.tlog.exact), in hex."""
    text = exact_json(snapshot_content(snapshot, model_id))
    return hashlib.sha256(text.encode()).hexdigest()


def snapshot_content(snapshot: Snapshot, model_id: str) -> dict[str, Any]:
    """Return what the content hash of a snapshot is about."""
    return {
        "model_id": model_id,
        "period_start": iso_z(snapshot.period_start),
        "period_end": iso_z(snapshot.period_end),
        "prediction_count": snapshot.prediction_count,
        "result_summary": snapshot.result_summary,
    }


def _model_names(competition: Competition) -> dict[int, str]:
    return dict(competition.models.values_list("pk", "model_id"))
