from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User

from core.acts import is_known
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


def test_a_read_that_names_a_permission_is_for_those_who_have_it(db):
    reader = User.objects.create_user("olga", is_staff=True)
    view = {"read_permission": ACT, "write_permission": ACT}
    assert not may("GET", AnonymousUser(), **view)
    assert not may("GET", reader, **view)
    reader.user_permissions.add(Permission.objects.get(codename=ACT.partition(".")[2]))
    assert may("GET", User.objects.get(), **view)


def test_who_is_not_active_or_no_operator_is_not_known():
    for is_staff, is_active, known in (
        (True, True, True),
        (True, False, False),
        (False, True, False),
    ):
        assert is_known(User(is_staff=is_staff, is_active=is_active)) is known
