"""Define what a key may do: one scope for each role.

A role's permissions are the rows of its group (docs/operator/roles.md). A scope has no
list of its own, so it can never allow more than the role.
"""

from collections.abc import Iterable

from django.contrib.auth.models import Permission
from django.db.models import TextChoices


class KeyScope(TextChoices):
    READ = "read", "read: what a viewer sees"
    MODELS = "write:models", "write:models: the models of its cruncher"
    PAYOUTS = "write:payouts", "write:payouts: what finance may do"
    OPERATE = "write:operate", "write:operate: what an operator may do"
    ADMIN = "admin", "admin: all that the API can do"


ROLES = {
    KeyScope.READ: "viewer",
    KeyScope.PAYOUTS: "finance",
    KeyScope.OPERATE: "operator",
    KeyScope.ADMIN: "admin",
}
# A cruncher's key belongs to a participant: it sees what the public sees, and has no
# role.
OF_CRUNCHER = (KeyScope.READ, KeyScope.MODELS)
ACTS_OF_CRUNCHER = frozenset(
    {
        "competitions.add_participantmodel",
        "competitions.operate_participantmodel",
        "emissions.dispute_checkpoint",
    }
)


def acts_of(scopes: Iterable[str]) -> frozenset[str]:
    """Return the permissions of scopes, `app.codename`, as the roles are now.

    One statement. Those of a cruncher's key are ACTS_OF_CRUNCHER.
    """
    roles = [ROLES[KeyScope(scope)] for scope in scopes if KeyScope(scope) in ROLES]
    found = Permission.objects.filter(group__name__in=roles).values_list(
        "content_type__app_label", "codename"
    )
    return frozenset(f"{app}.{codename}" for app, codename in found)
