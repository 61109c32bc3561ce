from django.urls import re_path

from emissions.api import reports, settling

ONE = r"^reports/checkpoints/(?P<checkpoint_id>[^/]+)"

# Literal routes first, so that no id can hide them.
urlpatterns = [
    re_path(
        r"^reports/checkpoints/?$", reports.checkpoints, name="reports-checkpoints"
    ),
    re_path(
        r"^reports/checkpoints/latest/?$",
        reports.latest,
        name="reports-checkpoint-latest",
    ),
    re_path(
        r"^reports/checkpoints/rewards/?$", reports.rewards, name="reports-rewards"
    ),
    re_path(
        r"^reports/checkpoints/latest/prizes/?$",
        reports.latest_prizes,
        name="reports-prizes-latest",
    ),
    re_path(rf"{ONE}/payload/?$", reports.payload, name="reports-checkpoint-payload"),
    re_path(rf"{ONE}/emission/?$", reports.emission, name="reports-emission"),
    re_path(
        rf"{ONE}/emission/cli-format/?$", reports.cli_format, name="reports-cli-format"
    ),
    re_path(rf"{ONE}/prizes/?$", reports.prizes, name="reports-prizes"),
    re_path(rf"{ONE}/confirm/?$", settling.confirm, name="reports-checkpoint-confirm"),
    re_path(
        rf"{ONE}/transaction/?$",
        settling.correct_transaction,
        name="reports-checkpoint-transaction",
    ),
    re_path(rf"{ONE}/status/?$", settling.status, name="reports-checkpoint-status"),
    re_path(
        r"^reports/emissions/latest/?$",
        reports.latest_emission,
        name="reports-emission-latest",
    ),
]
