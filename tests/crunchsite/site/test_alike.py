"""Shades of correlation."""

import pytest

from crunchsite.site.alike import shade

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


@pytest.mark.parametrize(
    ("rho", "expected"),
    [(1.0, "p5"), (-1.0, "m5"), (0.09, "p0"), (-0.31, "m2"), (None, "unknown")],
)
def test_shades_follow_the_correlation(rho, expected):
    assert shade(rho) == expected
