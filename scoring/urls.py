from django.urls import re_path

from scoring.api import (
    boards,
    diversity,
    ensemble_reports,
    merkle_reports,
    models,
    prediction_reports,
    rank_reports,
    receipt_reports,
    tournament,
)

_MODEL = r"^reports/models/(?P<model_id>[^/]+)"
_ROUND = r"^tournament/rounds/(?P<round_id>[^/]+)"

urlpatterns = [
    re_path(r"^reports/leaderboard/?$", boards.leaderboard, name="reports-leaderboard"),
    re_path(
        r"^reports/predictions/?$",
        prediction_reports.predictions,
        name="reports-predictions",
    ),
    re_path(r"^reports/snapshots/?$", boards.snapshots, name="reports-snapshots"),
    re_path(r"^reports/models/global/?$", models.models_global, name="models-global"),
    re_path(r"^reports/models/params/?$", models.models_params, name="models-params"),
    re_path(
        r"^reports/models/metrics/?$", models.models_metrics, name="models-metrics"
    ),
    re_path(
        r"^reports/models/summary/?$", models.models_summary, name="models-summary"
    ),
    re_path(
        _MODEL + r"/diversity/?$",
        diversity.model_diversity,
        name="model-diversity",
    ),
    re_path(
        _MODEL + r"/receipts/?$", receipt_reports.model_receipts, name="model-receipts"
    ),
    re_path(
        r"^reports/receipts/(?P<prediction_id>[0-9]{1,18})/?$",
        receipt_reports.receipt,
        name="receipt",
    ),
    re_path(
        r"^reports/receipts/(?P<prediction_id>[0-9]{1,18})\.tlog-proof$",
        receipt_reports.receipt_file,
        name="receipt-file",
    ),
    re_path(r"^reports/merkle/cycles/?$", merkle_reports.cycles, name="merkle-cycles"),
    re_path(
        r"^reports/merkle/cycles/(?P<cycle_id>[^/]+)/?$",
        merkle_reports.one_cycle,
        name="merkle-cycle",
    ),
    re_path(
        r"^reports/merkle/proof/?$", merkle_reports.snapshot_proof, name="merkle-proof"
    ),
    re_path(_MODEL + r"/ranks/?$", rank_reports.rank_history, name="model-ranks"),
    re_path(
        _MODEL + r"/rank-change/?$", rank_reports.rank_change, name="model-rank-change"
    ),
    re_path(
        r"^reports/diversity/?$",
        diversity.diversity_overview,
        name="reports-diversity",
    ),
    re_path(
        r"^reports/correlations/?$",
        diversity.pairwise_correlations,
        name="reports-correlations",
    ),
    re_path(_ROUND + r"/inference/?$", tournament.inference, name="tournament-infer"),
    re_path(_ROUND + r"/score/?$", tournament.score, name="tournament-score"),
    re_path(_ROUND + r"/status/?$", tournament.status, name="tournament-status"),
    re_path(
        r"^reports/ensemble/history/?$",
        ensemble_reports.ensemble_history,
        name="ensemble-history",
    ),
]
