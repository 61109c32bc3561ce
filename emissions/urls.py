from django.urls import re_path

from emissions.api import checkpoint_reports, settling

ONE = r"^reports/checkpoints/(?P<checkpoint_id>[^/]+)"

# Literal routes first, because an id could match them too.
urlpatterns = [
    re_path(
        r"^reports/checkpoints/?$",
        checkpoint_reports.checkpoints,
        name="reports-checkpoints",
    ),
    re_path(
        r"^reports/checkpoints/latest/?$",
        checkpoint_reports.latest,
        name="reports-checkpoint-latest",
    ),
    re_path(
        r"^reports/checkpoints/rewards/?$",
        checkpoint_reports.rewards,
        name="reports-rewards",
    ),
    re_path(
        r"^reports/checkpoints/latest/prizes/?$",
        checkpoint_reports.latest_prizes,
        name="reports-prizes-latest",
    ),
    re_path(
        rf"{ONE}/payload/?$",
        checkpoint_reports.payload,
        name="reports-checkpoint-payload",
    ),
    re_path(
        rf"{ONE}/emission/?$", checkpoint_reports.emission, name="reports-emission"
    ),
    re_path(
        rf"{ONE}/emission/cli-format/?$",
        checkpoint_reports.cli_format,
        name="reports-cli-format",
    ),
    re_path(rf"{ONE}/prizes/?$", checkpoint_reports.prizes, name="reports-prizes"),
    re_path(rf"{ONE}/confirm/?$", settling.confirm, name="reports-checkpoint-confirm"),
    re_path(
        rf"{ONE}/transaction/?$",
        settling.correct_transaction,
        name="reports-checkpoint-transaction",
    ),
    re_path(rf"{ONE}/status/?$", settling.status, name="reports-checkpoint-status"),
    re_path(
        r"^reports/emissions/latest/?$",
        checkpoint_reports.latest_emission,
        name="reports-emission-latest",
    ),
]
