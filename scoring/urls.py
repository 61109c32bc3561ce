from django.urls import re_path

from scoring import api

urlpatterns = [
    re_path(r"^reports/leaderboard/?$", api.leaderboard, name="reports-leaderboard"),
    re_path(r"^reports/predictions/?$", api.predictions, name="reports-predictions"),
    re_path(r"^reports/snapshots/?$", api.snapshots, name="reports-snapshots"),
]
