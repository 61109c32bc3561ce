"""Numbers that JSON has: NaN or an infinity in a row would end each list with it."""

from math import inf

from django.db.models import CheckConstraint, Q


def finite(column: str, *, name: str) -> CheckConstraint:
    """Return the constraint that a number is finite or unknown.

    To PostgreSQL, NaN is larger than all others.
    """
    is_finite = Q((f"{column}__gt", -inf), (f"{column}__lt", inf))
    return CheckConstraint(condition=is_finite, name=name)
