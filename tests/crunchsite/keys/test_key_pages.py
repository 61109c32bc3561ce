"""Keys in the admin: made and shown once, never more than their maker may do."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from crunchsite.keys import tokens
from crunchsite.keys.models import ApiKey
from tests.crunchsite.keys.conftest import bearer

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

LIST, ADD = "/admin/keys/apikey/", "/admin/keys/apikey/add/"


def client_of(role: str, *codenames: str) -> Client:
    user = User.objects.create_user(role, is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def asked(*scopes: str, **fields: object) -> dict[str, object]:
    return {"name": "bot", "scopes": scopes, **fields}


def test_a_key_is_shown_once_in_the_answer_alone(world):
    client = client_of("admin")
    answer = client.post(ADD, asked("read", "write:payouts"))
    key = ApiKey.objects.get()
    [token] = set(re.findall(tokens.TOKEN.pattern.replace("(", "(?:"), answer.text))
    assert tokens.is_same(token, key.digest)
    assert key.scopes == ["read", "write:payouts"]
    assert "no-store" in answer["Cache-Control"]
    assert token not in repr(client.cookies) + repr(dict(client.session))
    for path in (LIST, f"{LIST}{key.pk}/change/", f"{LIST}{key.pk}/history/"):
        page = client.get(path).text
        assert key.shown in page or "made with" in page
        assert token not in page
        assert key.digest not in page
    [entry] = LogEntry.objects.all()
    assert entry.user.username == "admin"
    assert entry.get_change_message() == "made with read, write:payouts for the site"
    used = client.get("/reports/leaderboard", headers=bearer(token))
    assert used.status_code == 200


def test_a_key_is_bound_in_its_form(world, cruncher):
    client = client_of("admin")
    client.post(ADD, asked("read", "write:models", cruncher=cruncher.pk))
    key = ApiKey.objects.get()
    assert (key.cruncher, key.competition) == (cruncher, world.competition)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (asked(), "This field is required"),
        (asked("write:models"), "name it"),
        (asked("none"), "Select a valid choice"),
        (asked("read", cruncher="999999"), "Select a valid choice"),
        (
            asked("read", expires_at_0="2020-01-01", expires_at_1="00:00"),
            "is in the past",
        ),
        (asked("read", name="a\0b"), "Null characters are not allowed"),
    ],
)
def test_what_cannot_be_meant_is_said_in_the_form(world, fields, said):
    answer = client_of("admin").post(ADD, fields)
    assert answer.status_code == 200
    assert said in answer.text
    assert not ApiKey.objects.exists()


def test_nobody_gives_a_key_what_they_lack(world):
    client = client_of("operator", "add_apikey")
    for scope in ("admin", "write:payouts"):
        answer = client.post(ADD, asked(scope))
        assert "You cannot give permissions that you lack" in answer.text
    assert not ApiKey.objects.exists()
    client.post(ADD, asked("write:operate", "read"))
    assert ApiKey.objects.get().scopes == ["read", "write:operate"]


def test_an_operator_revokes_keys_and_the_trail_says_so(world, key):
    key("read")
    key("admin")
    client = client_of("operator")
    chosen = list(ApiKey.objects.values_list("pk", flat=True))
    for told in ("2 keys revoked", "0 keys revoked"):
        answer = client.post(
            LIST, {"action": "revoke", "_selected_action": chosen}, follow=True
        )
        assert told in answer.text
    assert not ApiKey.objects.filter(revoked_at=None).exists()
    assert LogEntry.objects.filter(user__username="operator").count() == 2


def test_the_list_costs_the_same_for_many_keys(
    world, key, cruncher, django_assert_max_num_queries
):
    client = client_of("operator")
    for _ in range(15):
        key("read", cruncher=cruncher)
    with django_assert_max_num_queries(16):
        assert client.get(LIST).text.count("alice in btc-demo") >= 15
