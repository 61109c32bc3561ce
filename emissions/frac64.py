"""Split shares as the chain counts them: billionths, 1 000 000 000 = 100 %."""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

WHOLE = 1_000_000_000


def split(weights: Sequence[int | float | Fraction]) -> list[int]:
    """Split the whole in proportion to `weights`, by largest remainder.

    The result sums to exactly WHOLE for any non-empty weights with a positive sum;
    of equal remainders the earlier entry gets the odd billionth. No weights give [].
    Raises ValueError for a negative weight or a sum of zero.
    """
    if not weights:
        return []
    exact = [Fraction(weight) for weight in weights]
    unit = lcm(*(weight.denominator for weight in exact))
    whole = [weight.numerator * (unit // weight.denominator) for weight in exact]
    total = sum(whole)
    if total <= 0 or min(whole) < 0:
        raise ValueError("weights were negative or all zero; a share needs a weight")
    return largest_remainder([weight * WHOLE for weight in whole], total)


def largest_remainder(dividends: Sequence[int], divisor: int) -> list[int]:
    """Divide to whole numbers that keep the sum of the quotients, rounded down.

    Each is rounded down, and the units that are left go, one each, to the largest
    remainders; of equal remainders the earlier one is first.
    """
    shares, remainders = [], []
    for dividend in dividends:
        share, remainder = divmod(dividend, divisor)
        shares.append(share)
        remainders.append(remainder)
    # A sort keeps equals in order, also this way round.
    by_remainder = sorted(range(len(shares)), key=remainders.__getitem__, reverse=True)
    for i in by_remainder[: sum(dividends) // divisor - sum(shares)]:
        shares[i] += 1
    return shares
