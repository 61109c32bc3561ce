"""Decide who may do what: one rule for the admin, the site and the API.

An act is an operation of the site with its own permission, named as Django names
permissions: `competitions.pause_competition`. crunchsite/migrations gives the roles
their acts; docs/operator/roles.md lists them.
"""

from typing import Any

# Allows users to read drafts with all that belongs to them, and reasons of failures.
SEE_ALL = "competitions.view_competition"


# Acts of these apps change competitions, and some of those are drafts.
OF_COMPETITIONS = frozenset({"competitions", "scoring", "emissions"})


def is_key(user: Any) -> bool:
    """Return whether the user is a program that authenticates with a key."""
    return getattr(user, "is_key", False)


def is_known(user: Any) -> bool:
    """Return whether the user can log in to the admin, or has a key."""
    return bool(user.is_active and (getattr(user, "is_staff", False) or is_key(user)))


def may(user: Any, act: str, *, cruncher_id: int | None = None) -> bool:
    """Return whether the user is known and has the permission for the act.

    A cruncher's key may act only on that cruncher's own rows: `cruncher_id` names the
    owner.
    """
    if not is_known(user):
        return False
    own = getattr(user, "cruncher_id", None)
    if own is not None:
        return bool(own == cruncher_id and act in user.acts_on_own)
    return bool(user.has_perm(act))


def bound_to(user: Any) -> int | None:
    """Return the id of the one competition that a key is bound to, or None."""
    return getattr(user, "competition_id", None)


def sees_troubles(user: Any) -> bool:
    """Return whether the user may read what is wrong with the site's parts."""
    return may(user, SEE_ALL) and bound_to(user) is None
