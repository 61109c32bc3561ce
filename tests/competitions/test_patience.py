from datetime import timedelta

import pytest

from competitions.models import Round
from competitions.patience import deadline_of, is_late
from tests.conftest import NOW

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("horizon", "patience"),
    [(timedelta(minutes=1), HOUR), (timedelta(minutes=6), HOUR), (HOUR, 10 * HOUR)],
)
def test_a_round_waits_an_hour_or_ten_of_its_horizons(horizon, patience):
    round_ = Round(performed_at=NOW, resolvable_at=NOW + horizon)
    deadline = NOW + horizon + patience
    assert deadline_of(round_) == deadline
    assert not is_late([round_], deadline)[0]
    assert is_late([round_], deadline + timedelta.resolution)[0]
