"""Let no new row have NaN or an infinity where the site's lists show a number.

Rows that are there are not looked through: only a service of an operator's own could
have written such one, and an upgrade must not fail for it.
"""

from math import inf

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations
from django.db.models import CheckConstraint, Q


def finite(model: str, column: str, name: str) -> AddConstraintNotValid:
    is_finite = Q((f"{column}__gt", -inf), (f"{column}__lt", inf))
    return AddConstraintNotValid(model, CheckConstraint(condition=is_finite, name=name))


class Migration(migrations.Migration):
    atomic = False  # each lock is let go at once
    dependencies = [
        ("competitions", "0018_failure_codes"),
        ("scoring", "0008_scores_have_models"),
    ]

    operations = [
        finite("score", "value", "score_value_finite"),
        finite("snapshot", "value", "snapshot_value_finite"),
        finite("leaderboardentry", "ranking_value", "leaderboard_value_finite"),
    ]
