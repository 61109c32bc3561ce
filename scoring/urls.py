from django.urls import re_path

from scoring import api, diversity_reports, reports

_MODEL = r"^reports/models/(?P<model_id>[^/]+)"

urlpatterns = [
    re_path(r"^reports/leaderboard/?$", api.leaderboard, name="reports-leaderboard"),
    re_path(r"^reports/predictions/?$", api.predictions, name="reports-predictions"),
    re_path(r"^reports/snapshots/?$", api.snapshots, name="reports-snapshots"),
    re_path(r"^reports/models/global/?$", reports.models_global, name="models-global"),
    re_path(r"^reports/models/params/?$", reports.models_params, name="models-params"),
    re_path(
        r"^reports/models/metrics/?$", reports.models_metrics, name="models-metrics"
    ),
    re_path(
        r"^reports/models/summary/?$", reports.models_summary, name="models-summary"
    ),
    re_path(
        _MODEL + r"/diversity/?$",
        diversity_reports.model_diversity,
        name="model-diversity",
    ),
    re_path(_MODEL + r"/ranks/?$", reports.rank_history, name="model-ranks"),
    re_path(_MODEL + r"/rank-change/?$", reports.rank_change, name="model-rank-change"),
    re_path(
        r"^reports/diversity/?$",
        diversity_reports.diversity_overview,
        name="reports-diversity",
    ),
    re_path(
        r"^reports/correlations/?$",
        diversity_reports.pairwise_correlations,
        name="reports-correlations",
    ),
    re_path(
        r"^reports/ensemble/history/?$",
        reports.ensemble_history,
        name="ensemble-history",
    ),
]
