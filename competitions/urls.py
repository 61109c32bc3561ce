from django.urls import re_path

from competitions import api

urlpatterns = [
    re_path(r"^reports/models/?$", api.models, name="reports-models"),
    re_path(r"^reports/schema/?$", api.schema, name="reports-schema"),
    re_path(
        r"^reports/schema/leaderboard-columns/?$",
        api.leaderboard_columns,
        name="reports-leaderboard-columns",
    ),
    re_path(
        r"^reports/schema/metrics-widgets/?$",
        api.metrics_widgets,
        name="reports-metrics-widgets",
    ),
    re_path(r"^reports/rules/?$", api.package_rules, name="reports-rules"),
    re_path(r"^timing-metrics/?$", api.timing_metrics, name="timing-metrics"),
]
