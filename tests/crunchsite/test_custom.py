import re
from pathlib import Path
from types import ModuleType

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.checks import run_checks
from django.test import Client, RequestFactory
from django.urls import clear_url_caches, resolve

from crunchsite import custom, urls
from crunchsite.custom import load
from crunchsite.keys.issuing import create_key
from tests import factories

DOCUMENT = Path(__file__).parents[2] / "docs" / "integrator" / "custom.md"
PAGE = """
from django.http import HttpResponse
from django.urls import path

def page(request):
    return HttpResponse({text!r})

urlpatterns = [path({address!r}, page)]
{more}
"""
ROUTER = """
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSet

from competitions.models import Competition

class Counts(ViewSet):
    def list(self, request):
        return Response({"competitions": Competition.objects.count()})

router = SimpleRouter(trailing_slash=False)
router.register("counts", Counts, basename="counts")
access = "read"
"""


def page(text: str, address: str = "hello", more: str = "") -> str:
    return PAGE.format(text=text, address=address, more=more)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "api").mkdir()
    return tmp_path / "api"


@pytest.fixture
def mount(folder, settings, monkeypatch):
    """Write files and start a site with them; returns a function of a client."""

    def start(**files: str):
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        found = load(folder)
        monkeypatch.setattr(custom, "loaded", lambda: found)
        root = ModuleType("urls_of_a_site")
        own = [p for p in urls.urlpatterns if "custom" not in repr(p)]
        root.urlpatterns = [*own, *found.urlpatterns()]
        settings.ROOT_URLCONF = root
        clear_url_caches()
        return found

    yield start
    clear_url_caches()


def client_of(role: str | None = None) -> Client:
    client = Client(raise_request_exception=False)
    if role is not None:
        user = User.objects.create_user(role, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        client.force_login(user)
    return client


def test_files_are_taken_in_their_order_and_underscores_passed_over(folder):
    for name in ("b", "a", "_c"):
        (folder / f"{name}.py").write_text(page(name))
    (folder / "notes.txt").write_text("no module")
    found = load(folder)
    assert list(found.routes) == ["a", "b"]
    assert found.problems == {}


def test_no_folder_is_no_endpoints(tmp_path):
    assert load(tmp_path / "none").routes == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("raise ValueError('no luck')", "no luck"),
        ("raise SystemExit(3)", "3"),
        ("import nothing_of_this_name", "nothing_of_this_name"),
        ("urlpatterns = [", "was never closed"),
        ("x = 1", "it defines neither router nor urlpatterns"),
        ("router = 7", "'int' object is not iterable"),
        ("urlpatterns = ['a']", "it is neither a router nor a list of addresses"),
        ("urlpatterns = []", "it is neither a router nor a list of addresses"),
        (page("x", more="access = 'all'"), "access was 'all'; it is 'read' or 'admin'"),
    ],
)
def test_a_broken_file_is_named_and_takes_nothing_down(folder, text, problem):
    (folder / "bad.py").write_text(text)
    (folder / "good.py").write_text(page("good"))
    found = load(folder)
    assert list(found.routes) == ["good"]
    assert problem in found.problems[str(folder / "bad.py")]


def test_a_file_among_the_sites_data_is_refused(folder):
    (folder / "own.py").write_text(page("own"))
    found = load(folder, closed=(folder.parent,))
    assert found.routes == {}
    assert "participants' files" in found.problems[str(folder / "own.py")]


def test_a_link_into_the_sites_data_is_refused(folder, tmp_path):
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "own.py").write_text(page("own"))
    (folder / "own.py").symlink_to(tmp_path / "closed" / "own.py")
    assert load(folder, closed=(tmp_path / "closed",)).routes == {}


def test_a_target_is_a_router_of_the_admitted_packages(folder):
    own = "tests.fakes.endpoints"
    found = load(folder, ["os:environ", own, f"{own}:none", f"{own}:router"])
    assert list(found.routes) == [own]
    assert found.access == {own: "read"}
    assert "CALLABLE_PACKAGES" in found.problems["os:environ"]
    assert found.problems[f"{own}:none"] == f"{own} has no none"
    assert found.problems[f"{own}:router"] == "another file has this name"


@pytest.mark.django_db
def test_an_endpoint_answers_below_custom_and_at_its_own_path(mount):
    mount(mine=ROUTER)
    for address in ("/custom/counts", "/counts"):
        answer = client_of().get(address)
        assert (answer.status_code, answer.json()) == (200, {"competitions": 0})


@pytest.mark.django_db
def test_the_sites_own_addresses_are_never_shadowed(mount):
    mount(mine=page("not healthy", "healthz"))
    assert client_of().get("/healthz").json()["status"] == "ok"
    assert client_of("operator").get("/custom/healthz").content == b"not healthy"


@pytest.mark.django_db
def test_operators_alone_call_what_does_not_say_otherwise(mount):
    mount(mine=page("hello"))
    for address in ("/custom/hello", "/hello"):
        refused = client_of().get(address)
        assert (refused.status_code, refused.json()["code"]) == (
            401,
            "not_authenticated",
        )
    assert client_of("viewer").get("/custom/hello").status_code == 403
    assert client_of("operator").get("/hello").content == b"hello"


@pytest.mark.django_db
def test_api_read_auth_covers_them_whatever_they_are_called(mount, settings):
    settings.ENV = settings.ENV.model_copy(update={"api_read_auth": True})
    text = page("open?", more="access = 'read'")
    mount(mine=text.replace("page)]", "page, name='healthz')]"))
    assert client_of().get("/custom/hello").status_code == 401


@pytest.mark.django_db
def test_one_that_fails_costs_its_own_answer_alone(mount, caplog):
    raises = page("x", more="def page(r): raise KeyError('secret-of-mine')")
    mount(
        mine=raises.replace(
            "urlpatterns", "def later(r): raise KeyError('s3')\nurlpatterns"
        ).replace("page)]", "later)]")
        + "access = 'read'\n"
    )
    answer = client_of().get("/custom/hello")
    assert answer.status_code == 500
    assert answer.json() == {
        "detail": "The endpoint mine failed.",
        "code": "custom_endpoint_failed",
    }
    assert "custom.failed" in caplog.text
    assert client_of().get("/healthz").status_code == 200


@pytest.mark.django_db
def test_what_is_not_there_is_answered_in_json(mount):
    mount(mine=page("hello"))
    answer = client_of().get("/custom/none")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.django_db
def test_operators_are_told_of_a_broken_file(mount, folder):
    mount(bad="raise ValueError('no luck')")
    where = str(folder / "bad.py")
    told = client_of("viewer").get("/readyz").json()["missing_endpoints"]
    assert list(told) == [where]
    assert "missing_endpoints" not in client_of().get("/readyz").json()
    (warning,) = run_checks(tags=["custom"])
    assert (warning.id, where in warning.msg) == ("crunchsite.W002", True)


@pytest.mark.django_db
def test_the_examples_of_the_document_work(mount, frozen_clock):
    found = re.findall(
        r"`api/(\w+)\.py`.*?```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL
    )
    assert [name for name, _ in found] == ["standings", "notes"]
    assert mount(**dict(found)).problems == {}
    made = factories.running_competition(at=frozen_clock, models=2, hours=1)
    slug = made.competition.slug
    assert client_of().get("/custom/standings").json() == {slug: 2}
    answer = client_of("operator").post(
        f"/custom/notes/{slug}", {"text": "moved"}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()) == (201, {"noted": "moved"})
    assert LogEntry.objects.latest("pk").get_change_message() == "moved"


@pytest.mark.django_db
def test_a_key_of_one_competition_calls_none_that_operators_call(mount, frozen_clock):
    mount(mine=page("hello"))
    competition = factories.competition()
    for fields, status in (({}, 200), ({"competition": competition}, 403)):
        _, token = create_key(name="bot", scopes=["admin"], **fields)
        client = Client(headers={"Authorization": f"Bearer {token}"})
        assert client.get("/custom/hello").status_code == status
        assert client.get("/hello").status_code == status


@pytest.mark.django_db
def test_a_failure_of_the_sites_own_page_is_not_told_as_an_endpoints(
    mount, monkeypatch
):
    def broken(*args, **options):
        raise KeyError("x")

    mount(mine=page("hello"))
    monkeypatch.setattr("core.heartbeats.ages", broken)
    assert b"custom_endpoint_failed" not in client_of().get("/readyz").content
    middleware = custom.CustomMiddleware(lambda request: None)
    request = RequestFactory().get("/healthz")
    request.resolver_match = resolve("/healthz")
    assert middleware.process_exception(request, KeyError("x")) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("django.http.Http404", 404),
        ("django.core.exceptions.PermissionDenied", 403),
        ("django.core.exceptions.BadRequest", 400),
        ("django.core.exceptions.SuspiciousOperation", 400),
    ],
)
def test_a_refusal_of_an_endpoint_is_no_failure(mount, error, status, caplog):
    module, _, name = error.rpartition(".")
    raises = f"from {module} import {name}\ndef page(request): raise {name}('no')"
    mount(
        mine=raises
        + """
from django.urls import path
urlpatterns = [path('hello', page)]
access = 'read'
"""
    )
    assert client_of().get("/custom/hello").status_code == status
    assert "custom.failed" not in caplog.text


def test_the_folders_of_the_site_and_of_participants_are_closed(settings, tmp_path):
    settings.VAR_DIR = tmp_path / "var"
    settings.LOCAL_MODELS_DIR = tmp_path / "models"
    for folder in (settings.VAR_DIR, settings.LOCAL_MODELS_DIR):
        folder.mkdir()
        (folder / "own.py").write_text(page("own"))
        settings.ENV = settings.ENV.model_copy(update={"api_routes_dir": str(folder)})
        found = custom.loaded.__wrapped__()
        assert found.routes == {}
        assert "participants' files" in found.problems[str(folder / "own.py")]
