"""Whether a model scored in enough rounds to be paid, exact as decimals are."""

from decimal import Decimal
from fractions import Fraction


def is_covered(scored: int, *, asked: int, least: float) -> bool:
    """Return whether a model scored in at least the share `least` of the rounds.

    The share is the decimal that an operator wrote: 7 of 100 rounds are 0.07 of them,
    although 0.07 * 100 is above 7 in binary.
    """
    return scored >= Fraction(repr(float(least))) * asked


def percent(share: float) -> str:
    """Return a share as percent with all its digits: 0.125 is 12.5 %."""
    exact = (Decimal(repr(float(share))) * 100).normalize()
    return f"{exact:f}%"
