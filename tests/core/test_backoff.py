"""Pauses grow up to the longest, after any number of attempts."""

import pytest

from core.backoff import backoff


@pytest.mark.parametrize(
    ("attempts", "pause_s"),
    [(0, 0.25), (1, 0.5), (3, 2.0), (6, 15.0), (1_100, 15.0), (10**9, 15.0)],
)
def test_pauses_double_up_to_the_longest(attempts, pause_s):
    assert backoff(attempts, first_s=0.25, most_s=15.0) == pause_s
