"""Hostile wirings: staff, or who took their session, plugs in code of their own.

Through the admin's forms and by the command. What has to hold: nothing of it is
imported in the site's process, and the site goes on to answer.
"""

import sys

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from competitions.models import Competition
from core.errors import OperatorError

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.usefixtures("frozen_clock"),
]
LOUD = "from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\n"
ELSEWHERE = [
    *("os:abort", "posix:abort", "sys:exit", "builtins:eval", "subprocess:Popen"),
    *("shutil:rmtree", "antigravity:x", "this:x", "tests:x/../../y", "var.x.main:f"),
    *("competitions.local_models.examples.momentum.main:Model", "__main__:x"),
    *("django.conf:settings", "crunchsite.settings.base:SECRET_KEY", "os.path:exists"),
    *("importlib:import_module", "evil:f", "evil.main:f", "runtime_definitionsx:f"),
]


@pytest.fixture
def draft():
    call_command("create_competition", "btc")
    return Competition.objects.get()


@pytest.fixture
def evil(settings, tmp_path, monkeypatch):
    """A participant's folder that is on the module path by mistake."""
    settings.LOCAL_MODELS_DIR = tmp_path
    settings.CALLABLE_PACKAGES = ("runtime_definitions", "evil2")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("evil", "evil2"):
        folder = tmp_path / name
        folder.mkdir()
        for file in ("__init__.py", "main.py", "contracts.py"):
            (folder / file).write_text(LOUD + "def f(): ...\nCONTRACT = 1\n")
    return tmp_path


def staff(*, is_superuser: bool) -> Client:
    user = User.objects.create_user("vera", is_staff=True, is_superuser=is_superuser)
    user.user_permissions.set(Permission.objects.all())
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def body_of(client, draft, **changes):
    url = reverse("admin:competitions_competition_change", args=[draft.pk])
    shown = client.get(url).context
    form = shown["adminform"].form
    body = {name: form[name].value() for name in form.fields}
    (inline,) = shown["inline_admin_formsets"]
    for part in (inline.formset.management_form, *inline.formset.forms):
        body |= {part[name].html_name: part[name].value() for name in part.fields}
    return url, {k: v for k, v in (body | changes).items() if v is not None}


def nothing_ran(folder):
    assert not list(folder.rglob("*.ran"))
    assert not sys.modules.keys() & {"evil", "evil.main", "antigravity", "this"}


@pytest.mark.attack(
    "a contract or slot that names any module, or a participant's file",
    held_by="core/imports.py: named packages, looked at before they are imported",
)
def test_no_path_reaches_a_module_of_somebody_else(draft, evil, seen):
    client = staff(is_superuser=True)
    inside = ["evil2.main:f", "evil2:f"]  # of the list, in the wrong place
    url, body = body_of(client, draft)
    for path in ELSEWHERE + inside:
        for changes in (
            {"config_path": path},
            {"slots": f'{{"REPORT_SCHEMA_PROVIDER": "{path}"}}'},
        ):
            page = client.post(url, body | changes)
            assert page.status_code == 200, changes
            assert list(page.context["adminform"].form.errors) == [*changes], changes
    for path in ELSEWHERE + inside:
        with pytest.raises(OperatorError):
            call_command("create_competition", "x", config_path=path)
    nothing_ran(evil)
    draft.refresh_from_db()
    assert (draft.config_path, client.get("/").status_code) == ("", 200)
    seen(f"{2 * len(ELSEWHERE + inside)} forms and {len(ELSEWHERE + inside)} commands")


@pytest.mark.attack(
    "wirings that were stored by other ways, and by the environment",
    held_by="the same guarded for each import: core/imports.py",
)
def test_what_was_stored_before_is_not_loaded_either(draft, evil, settings, seen):
    client = staff(is_superuser=True)
    Competition.objects.update(
        status="PAUSED",
        config_path="evil.main:CONTRACT",
        slots={"REPORT_SCHEMA_PROVIDER": "os:abort"},
    )
    for page in ("/", "/reports/schema", "/reports/leaderboard", "/readyz"):
        assert client.get(page).status_code < 500 or page == "/readyz", page
    act = reverse("admin:competition-act", args=[draft.pk, "activate"])
    assert "CALLABLE_PACKAGES" in client.post(act, {"reason": "r"}).content.decode()
    for name in ("crunch_config_module", "scoring_function"):
        settings.ENV = settings.ENV.model_copy(update={name: "evil.main:f"})
        with pytest.raises(OperatorError):
            call_command("create_competition", "x")
    nothing_ran(evil)
    seen("rows and variables: refused in words, pages stand")


@pytest.mark.attack(
    "staff who may change competitions, and are no superusers, wire code",
    held_by="the fields are no part of their forms",
)
def test_staff_cannot_touch_the_wiring(draft, seen):
    client = staff(is_superuser=False)
    url, body = body_of(client, draft, config_path="competitions.contract", name="New")
    slots = '{"SCORING_FUNCTION": "competitions.defaults:scoring_function"}'
    assert client.post(url, {**body, "slots": slots}).status_code == 302
    before = draft.slots
    draft.refresh_from_db()
    assert (draft.name, draft.config_path, draft.slots) == ("New", "", before)
    seen("the name is changed, the wiring not")


@pytest.mark.attack(
    "code that kills, hangs or eats the process that loads it",
    held_by="competitions/trial_process.py: loaded elsewhere first",
)
def test_a_superuser_s_own_code_that_kills_is_refused_when_it_is_saved(
    draft, tmp_path, monkeypatch, seen
):
    folder = tmp_path / "runtime_definitions"
    folder.mkdir()
    (folder / "__init__.py").write_text("from os import abort as f\n")
    monkeypatch.syspath_prepend(tmp_path)
    client = staff(is_superuser=True)
    slots = '{"REPORT_SCHEMA_PROVIDER": "runtime_definitions:f"}'
    url, body = body_of(client, draft, slots=slots)
    page = client.post(url, body)
    assert "SIGABRT" in str(page.context["adminform"].form.errors)
    assert client.get("/").status_code == 200
    seen("os.abort by another name: refused with SIGABRT")
