"""Split shares as the chain counts them: billionths, 1 000 000 000 = 100 %."""

from collections.abc import Sequence
from fractions import Fraction

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
    total = sum(exact)
    if total <= 0 or min(exact) < 0:
        raise ValueError("weights were negative or all zero; a share needs a weight")
    quotas = [weight * WHOLE / total for weight in exact]
    return largest_remainder(quotas)


def largest_remainder(quotas: Sequence[Fraction]) -> list[int]:
    """Round quotas down to whole numbers, keeping the (rounded down) sum of the quotas.

    The units that are left go, one each, to the largest remainders; of equal remainders
    the earlier one is first.
    """
    shares = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda i: (shares[i] - quotas[i], i))
    for i in by_remainder[: int(sum(quotas)) - sum(shares)]:
        shares[i] += 1
    return shares
