from django.urls import re_path

from emissions import api

ONE = r"^reports/checkpoints/(?P<checkpoint_id>[^/]+)"

# Literal routes first, so that no id can hide them.
urlpatterns = [
    re_path(r"^reports/checkpoints/?$", api.checkpoints, name="reports-checkpoints"),
    re_path(
        r"^reports/checkpoints/latest/?$", api.latest, name="reports-checkpoint-latest"
    ),
    re_path(r"^reports/checkpoints/rewards/?$", api.rewards, name="reports-rewards"),
    re_path(
        r"^reports/checkpoints/latest/prizes/?$",
        api.latest_prizes,
        name="reports-prizes-latest",
    ),
    re_path(rf"{ONE}/payload/?$", api.payload, name="reports-checkpoint-payload"),
    re_path(rf"{ONE}/emission/?$", api.emission, name="reports-emission"),
    re_path(
        rf"{ONE}/emission/cli-format/?$", api.cli_format, name="reports-cli-format"
    ),
    re_path(rf"{ONE}/prizes/?$", api.prizes, name="reports-prizes"),
    re_path(rf"{ONE}/confirm/?$", api.confirm, name="reports-checkpoint-confirm"),
    re_path(
        rf"{ONE}/transaction/?$",
        api.correct_transaction,
        name="reports-checkpoint-transaction",
    ),
    re_path(rf"{ONE}/status/?$", api.status, name="reports-checkpoint-status"),
    re_path(
        r"^reports/emissions/latest/?$",
        api.latest_emission,
        name="reports-emission-latest",
    ),
]
