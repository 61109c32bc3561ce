"""No list ends at a number that JSON has not, whichever service wrote the row."""

from math import inf, nan

import pytest
from django.db import IntegrityError, transaction

from scoring.cycle import run_cycle
from scoring.models import LeaderboardEntry, Score, Snapshot
from tests.scoring.conftest import ask
from tests.scoring.factories import make_models

COLUMNS = [
    (Score, "value"),
    (Snapshot, "value"),
    (LeaderboardEntry, "ranking_value"),
]


def test_a_number_is_finite_or_unknown(competition):
    ask(competition, make_models(competition, "a"))
    run_cycle(competition_id=competition.pk)
    for table, column in COLUMNS:
        assert table.objects.exists()
        for number in (nan, inf, -inf):
            with pytest.raises(IntegrityError, match="finite"), transaction.atomic():
                table.objects.update(**{column: number})
        table.objects.update(**{column: -1e300})
    LeaderboardEntry.objects.update(ranking_value=None)
