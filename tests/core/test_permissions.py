from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User

from core.permissions import OpenReadPermittedWrite

ACT = "competitions.pause_competition"


def may(method, user, **view):
    view = SimpleNamespace(allowed_methods=["GET", "POST"], **view)
    request = SimpleNamespace(method=method, user=user)
    return OpenReadPermittedWrite().has_permission(request, view)


def test_a_write_that_names_no_permission_is_nobodys(db):
    assert not may("POST", User.objects.create_superuser("root"))
    assert not may("POST", AnonymousUser())


def test_anybody_reads_and_is_told_of_what_is_not_there():
    assert may("GET", AnonymousUser(), write_permission=ACT)
    assert may("DELETE", AnonymousUser(), write_permission=ACT), "405 follows"


@pytest.mark.parametrize(
    ("is_staff", "is_active", "is_permitted", "allowed"),
    [
        (True, True, True, True),
        (False, True, True, False),
        (True, False, True, False),
        (True, True, False, False),
    ],
)
def test_a_write_is_an_operators_with_the_permission(
    db, is_staff, is_active, is_permitted, allowed
):
    user = User.objects.create_user("olga", is_staff=is_staff, is_active=is_active)
    if is_permitted:
        codename = ACT.partition(".")[2]
        user.user_permissions.add(Permission.objects.get(codename=codename))
    assert may("POST", user, write_permission=ACT) is allowed
