"""Who may do what: one rule for the admin, the site and the API.

An act is named as Django names permissions, `competitions.pause_competition`, and each
has its own. Which role has which: crunchsite/migrations, docs/operator/roles.md.
"""

from typing import Any

# Shows drafts with all that hangs on them, and what the site says of its own troubles.
SEE_ALL = "competitions.view_competition"


def is_operator(user: Any) -> bool:
    """Return whether this is somebody who can log in to the admin."""
    return bool(user.is_active and getattr(user, "is_staff", False))


def may(user: Any, act: str) -> bool:
    """Return whether the user is an operator with the permission for the act."""
    return is_operator(user) and user.has_perm(act)
