"""Who may change accounts gains by it no right that they lack."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse

from competitions.models import Competition
from crunchsite.settings.env import BASE_DIR
from feeds.models import FeedSubscription
from scoring.models import Rescoring
from tests import factories
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
ROLES = import_module("crunchsite.migrations.0001_roles")


def permission(name: str) -> Permission:
    label, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=label, codename=codename)


def staff(name: str, *permissions: str, role: str = "") -> User:
    made = User.objects.create_user(name, password="before", is_staff=True)
    made.user_permissions.set(map(permission, permissions))
    if role:
        made.groups.add(Group.objects.get(name=role))
    return made


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def pages_of(user: User) -> dict[str, str]:
    return {
        "change": reverse("admin:auth_user_change", args=[user.pk]),
        "delete": reverse("admin:auth_user_delete", args=[user.pk]),
        "password": reverse("admin:auth_user_password_change", args=[user.pk]),
    }


PASSWORD = {"password1": "taken-over-1", "password2": "taken-over-1"}
CLERK = ["auth.view_user", "auth.add_user", "auth.change_user", "auth.delete_user"]


@pytest.mark.parametrize("taker", ["clerk", "admin"])
def test_nobody_takes_over_an_account_that_may_do_more(db, taker):
    clerk = staff("clerk", *CLERK) if taker == "clerk" else staff("ada", role="admin")
    superuser = User.objects.create_superuser("root", password="before")
    finance = staff("fay", role="finance")
    client = client_of(clerk)
    for target in (superuser, finance) if taker == "clerk" else (superuser,):
        pages = pages_of(target)
        assert client.get(pages["change"]).status_code == 200  # to be read
        assert client.post(pages["change"], {"username": "x"}).status_code == 403
        assert client.post(pages["delete"], {"post": "yes"}).status_code == 403
        assert client.post(pages["password"], PASSWORD).status_code == 403
        chosen = {"action": "delete_selected", "_selected_action": target.pk}
        client.post(reverse("admin:auth_user_changelist"), chosen | {"post": "yes"})
        target.refresh_from_db()
        assert target.check_password("before")


def test_an_account_that_is_switched_off_may_do_as_much(db):
    """Whoever switches it on again would give it to who knows its password."""
    finance = staff("fay", role="finance")
    User.objects.filter(pk=finance.pk).update(is_active=False)
    client = client_of(staff("clerk", *CLERK))
    for page, body in (("password", PASSWORD), ("delete", {"post": "yes"})):
        assert client.post(pages_of(finance)[page], body).status_code == 403
    finance.refresh_from_db()
    assert finance.check_password("before")


def test_who_has_every_permission_is_no_superuser_yet(db):
    """What comes with the next version is a superuser's at once, and not theirs."""
    every = staff("eve")
    every.user_permissions.set(Permission.objects.all())
    superuser = User.objects.create_superuser("root", password="before")
    answer = client_of(every).post(pages_of(superuser)["password"], PASSWORD)
    assert answer.status_code == 403
    superuser.refresh_from_db()
    assert superuser.check_password("before")


def test_a_clerk_changes_accounts_that_may_do_no_more(db):
    helper = staff("hal")
    client = client_of(staff("clerk", *CLERK))
    answer = client.post(pages_of(helper)["password"], PASSWORD)
    assert answer.status_code == 302
    helper.refresh_from_db()
    assert helper.check_password("taken-over-1")


def form_of(client: Client, user: User) -> dict[str, object]:
    form = client.get(pages_of(user)["change"]).context["adminform"].form
    return {
        "username": user.username,
        "is_active": "on",
        "is_staff": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    } | {"has": form.fields}


def test_nobody_gives_what_they_lack(db):
    clerk = staff("clerk", *CLERK, "feeds.poll_feedsubscription")
    client = client_of(clerk)
    form = form_of(client, clerk)
    fields = form.pop("has")
    assert "is_superuser" not in fields
    assert not fields["groups"].queryset.exists()
    gives = {
        "is_superuser": "on",
        "groups": Group.objects.get(name="finance").pk,
        "user_permissions": permission("emissions.settle_checkpoint").pk,
    }
    client.post(pages_of(clerk)["change"], form | gives)
    clerk = User.objects.get(pk=clerk.pk)
    assert not clerk.is_superuser
    assert not clerk.groups.exists()
    assert not clerk.has_perm("emissions.settle_checkpoint")
    own = [*CLERK, "feeds.poll_feedsubscription"]
    form |= {"user_permissions": [permission(name).pk for name in own]}
    assert client.post(pages_of(clerk)["change"], form).status_code == 302
    clerk = User.objects.get(pk=clerk.pk)
    assert clerk.get_all_permissions() == set(own)


def test_a_role_is_changed_only_by_who_may_do_all_of_it(db):
    groups = ["auth.view_group", "auth.change_group", "auth.delete_group"]
    client = client_of(staff("clerk", *groups))
    viewer = Group.objects.get(name="viewer")
    change = reverse("admin:auth_group_change", args=[viewer.pk])
    assert client.post(change, {"name": "viewer"}).status_code == 403
    assert viewer.permissions.exists()
    admin = client_of(staff("ada", role="admin"))
    kept = list(viewer.permissions.values_list("pk", flat=True)[:3])
    answer = admin.post(change, {"name": "viewer", "permissions": kept})
    assert answer.status_code == 302
    assert viewer.permissions.count() == 3


def test_the_trail_shows_what_its_reader_may_view(db, frozen_clock):
    author = User.objects.create_superuser("olga")
    for model in (Competition, FeedSubscription, Rescoring, User):
        LogEntry.objects.create(
            user=author,
            content_type=ContentType.objects.get_for_model(model),
            object_id="1",
            object_repr=f"a {model.__name__}",
            action_flag=CHANGE,
        )
    trail = reverse("admin:admin_logentry_changelist")
    reader = staff("rea", "admin.view_logentry", "feeds.view_feedsubscription")
    page = client_of(reader).get(trail).content.decode()
    assert "a FeedSubscription" in page
    assert "a Competition" not in page
    assert "a User" not in page
    corrector = staff("cora", "admin.view_logentry", "scoring.view_rescoring")
    assert "a Rescoring" not in client_of(corrector).get(trail).content.decode(), (
        "it may be of a draft"
    )
    page = client_of(staff("vera", role="viewer")).get(trail).content.decode()
    assert "a Competition" in page
    assert "a Rescoring" in page
    assert "a User" not in page


def test_who_had_the_right_for_an_act_before_keeps_it(db):
    vera = staff("vera", "competitions.change_competition")
    helpers = Group.objects.create(name="helpers")
    helpers.permissions.add(permission("emissions.change_checkpoint"))
    Permission.objects.filter(codename__in=["pause_competition"]).delete()
    ROLES.make_roles(apps, None)
    vera = User.objects.get(pk=vera.pk)
    assert vera.has_perm("competitions.pause_competition")
    assert vera.has_perm("competitions.void_competition")
    assert not vera.has_perm("emissions.settle_checkpoint")
    held = set(helpers.permissions.values_list("codename", flat=True))
    assert held == {"change_checkpoint", "settle_checkpoint"}


def test_the_first_page_tells_each_what_they_may_view_and_press(
    db, world, fresh_feed, workers_alive
):
    press = reverse("admin:competition-act", args=[world.competition.pk, "pause"])
    shown = {
        role: client_of(staff(role, role=role)).get("/admin/").content.decode()
        for role in ("viewer", "operator", "finance")
    }
    assert {role: press in page for role, page in shown.items()} == {
        "viewer": False,
        "operator": True,
        "finance": False,
    }
    assert all("btc-demo" in page for page in shown.values())
    page = client_of(staff("new")).get("/admin/").content.decode()
    assert "btc-demo" not in page
    assert "Your account may not view the competitions" in page
    assert reverse("admin:competitions_competition_changelist") not in page


def test_a_feed_is_not_switched_off_in_its_form_without_the_act(db, frozen_clock):
    feed = factories.subscription(
        created_at=NOW,
    )
    url = reverse("admin:feeds_feedsubscription_change", args=[feed.pk])
    rights = ["feeds.view_feedsubscription", "feeds.change_feedsubscription"]
    page = client_of(staff("vera", *rights)).get(url)
    assert "active" not in page.context["adminform"].form.fields
    page = client_of(staff("olga", role="operator")).get(url)
    assert "active" in page.context["adminform"].form.fields


def test_the_page_on_roles_names_each_act():
    page = (BASE_DIR / "docs" / "operator" / "roles.md").read_text()
    acts = {
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename, _ in model._meta.permissions
    }
    assert acts
    assert {act for act in acts if f"`{act}`" not in page} == set()
