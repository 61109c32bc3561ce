"""The least share of rounds is compared as the decimal that was written."""

import pytest

from emissions.coverage import is_covered, percent


@pytest.mark.parametrize(
    ("scored", "asked", "least", "right"),
    [
        (7, 100, 0.07, True),  # 0.07 * 100 is 7.000000000000001 in binary
        (55, 1000, 0.055, True),
        (1, 3, 0.3333333333333333, True),
        (2, 3, 0.6666666666666667, False),  # above two thirds
        (6, 100, 0.07, False),
        (0, 100, 0, True),
        (0, 0, 0.5, True),
        (10**9, 10**9, 1.0, True),
        (10**9 - 1, 10**9, 1.0, False),
        (1, 10**7, 1e-07, True),
    ],
)
def test_a_share_of_rounds(scored, asked, least, right):
    assert is_covered(scored, asked=asked, least=least) is right


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.5, "50%"), (0.125, "12.5%"), (0.005, "0.5%"), (1, "100%"), (0.0, "0%")],
)
def test_a_share_is_told_with_all_its_digits(share, text):
    assert percent(share) == text
