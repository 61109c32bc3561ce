"""What an operator sees and presses about local models, with a real orchestrator."""

import io
import os
from dataclasses import replace

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from competitions.admin import local_models
from competitions.local_models import control
from competitions.models import ParticipantModel
from tests import factories
from tests.competitions.gateway.conftest import STEADY
from tests.competitions.local_models.conftest import ROW, LocalModels, state_of
from tests.competitions.local_models.test_upload import zipped
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db
LIST = reverse("admin:local-models")
ADD = reverse("admin:local-model-add")


@pytest.fixture
def local(tmp_path, settings):
    local = LocalModels(tmp_path)
    settings.LOCAL_MODELS_DIR = local.models
    settings.MODELS_LOG_DIR = local.logs
    yield local
    local.stop()


@pytest.fixture
def client(client):
    client.force_login(User.objects.create_superuser("olga", password="secret"))
    return client


def page(client, url, **data) -> str:
    response = client.post(url, data, follow=True) if data else client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def act(client, model_id, name, **data) -> str:
    url = reverse("admin:local-model-act", args=[model_id, name])
    return page(client, url, **data)


def trail():
    return list(
        LogEntry.objects.order_by("pk").values_list("object_repr", "change_message")
    )


def start(local, source=STEADY):
    local.write("steady", source)
    local.start("--level", "1")
    wait_for(lambda: state_of(local, "steady") == "RUNNING")


def test_without_an_orchestrator_the_page_says_how_to_get_one(client, local):
    assert "No orchestrator of local models has run here" in page(client, LIST)


def test_each_model_is_shown_with_its_state_and_the_sandbox(client, local):
    start(local)

    seen = page(client, LIST)

    assert ">steady</a>" in seen
    assert "RUNNING" in seen
    assert "Sandbox level 1: own process, limits" in seen
    assert "silent" not in seen


def test_a_silent_orchestrator_is_told(client, local):
    start(local)
    local.stop()
    os.utime(local.logs / control.HEARTBEAT_FILE, (1_000_000_000, 1_000_000_000))

    seen = page(client, LIST)

    assert "has been silent since" in seen
    assert "2001-09-09T01:46:40" in seen


def test_a_models_page_shows_its_log_as_text(client, local):
    start(local, "print('<b>hello</b>', flush=True)\n" + STEADY)
    local.gateway()
    wait_for(
        lambda: "hello" in control.log_tail(logs_dir=local.logs, model_id="steady")
    )

    seen = page(client, reverse("admin:local-model", args=["steady"]))

    assert "&lt;b&gt;hello&lt;/b&gt;" in seen


def test_stop_says_its_effect_asks_why_and_leaves_a_trail(client, local):
    start(local)
    assert "stays down until Start" in act(client, "steady", "stop")
    assert "This field is required" in act(client, "steady", "stop", reason=" ")
    assert (trail(), state_of(local, "steady")) == ([], "RUNNING")

    seen = act(client, "steady", "stop", reason="too loud")

    assert "steady: stop is asked for" in seen
    wait_for(lambda: state_of(local, "steady") == "STOPPED")
    assert "stopped by the operator" in page(client, LIST)
    act(client, "steady", "start", reason="quiet again")
    wait_for(lambda: state_of(local, "steady") == "RUNNING")
    assert trail() == [
        ("steady", "Local: Stop, was RUNNING. Reason: too loud"),
        ("steady", "Local: Start, was STOPPED. Reason: quiet again"),
    ]


def test_a_quarantined_model_shows_why_and_is_restarted(client, local):
    local.write("broken", "raise OSError('no weights')")
    local.start("--level", "1")
    local.gateway()
    wait_for(lambda: state_of(local, "broken") == "QUARANTINED")

    assert "BAD_IMPLEMENTATION: OSError: no weights" in page(client, LIST)
    assert "Its quarantine is lifted" in act(client, "broken", "restart")
    before = control.status(local.logs)[0].deployment_id
    act(client, "broken", "restart", reason="weights are there now")

    wait_for(lambda: control.status(local.logs)[0].deployment_id != before)


def test_a_model_is_added_from_a_zip_and_removed_again(client, local):
    start(local)
    file = SimpleUploadedFile("new.zip", zipped([("m/main.py", STEADY)]).read())

    assert "It runs on this machine" in page(client, ADD)
    seen = page(client, ADD, file=file, name="", reason="round two")

    assert "new was added" in seen
    wait_for(lambda: state_of(local, "new") == "RUNNING")
    assert "no way back" in act(client, "new", "remove")
    act(client, "new", "remove", reason="wrong one")
    wait_for(lambda: state_of(local, "new") is None)
    assert not (local.models / "new").exists()
    assert trail() == [
        ("new", "Local: Added from new.zip. Reason: round two"),
        ("new", "Local: Remove, was RUNNING. Reason: wrong one"),
    ]


@pytest.fixture
def small_uploads(local, monkeypatch):
    monkeypatch.setattr(local_models, "LARGEST_UPLOAD_BYTES", 1_000)
    return local


@pytest.mark.parametrize(
    ("file", "name", "message"),
    [
        (("steady.py", STEADY.encode()), "", "which is taken"),
        (("x.py", STEADY.encode()), "../up", "use letters, digits"),
        (("x.zip", zipped([("../main.py", "x")]).getvalue()), "", "inside the"),
        (("x.zip", b"no zip"), "", "no zip that can be unpacked"),
        (("x.py", b""), "", "The submitted file is empty"),
        (("x.py", b"#" * 2_000), "", "at most 0 MiB are taken"),
    ],
)
def test_a_bad_upload_is_refused_and_not_recorded(
    client, small_uploads, file, name, message
):
    local = small_uploads
    local.write("steady")
    upload = SimpleUploadedFile(*file)

    assert message in page(client, ADD, file=upload, name=name, reason="why not")

    assert trail() == []
    assert [path.name for path in local.models.iterdir()] == ["steady"]


def test_what_is_not_there_is_404(client, local):
    start(local)
    for url in (
        reverse("admin:local-model", args=["nobody"]),
        reverse("admin:local-model-act", args=["nobody", "stop"]),
        reverse("admin:local-model-act", args=["steady", "explode"]),
    ):
        assert client.get(url).status_code == 404


def permit(user, *verbs):
    user.user_permissions.set(
        Permission.objects.filter(
            codename__in=[f"{verb}_participantmodel" for verb in verbs]
        )
    )


def test_each_page_asks_for_its_permission(client, local):
    start(local)
    urls = {
        LIST: "view",
        reverse("admin:local-model", args=["steady"]): "view",
        reverse("admin:local-model-act", args=["steady", "stop"]): "operate",
        ADD: "add",
    }
    viewer = User.objects.create_user("vera", is_staff=True)
    client.force_login(viewer)
    for url, verb in urls.items():
        permit(viewer)
        assert client.get(url).status_code == 403
        permit(viewer, verb)
        assert client.get(url).status_code == 200
    permit(viewer, "view")
    assert "/act/stop" not in page(client, LIST)
    assert client.post(ADD, {"file": io.BytesIO(b"x")}).status_code == 403


@pytest.mark.parametrize(
    ("name", "others", "verb"),
    [
        ("stop", ["view", "add", "delete", "change"], "operate"),
        ("start", ["view", "add", "delete", "change"], "operate"),
        ("restart", ["view", "add", "delete", "change"], "operate"),
        ("remove", ["view", "add", "change", "operate"], "delete"),
    ],
)
def test_an_action_is_done_only_with_its_permission(client, local, name, others, verb):
    start(local)
    staff = User.objects.create_user("vera", is_staff=True)
    client.force_login(staff)
    url = reverse("admin:local-model-act", args=["steady", name])
    one = reverse("admin:local-model", args=["steady"])
    permit(staff, *others)

    assert client.post(url, {"reason": "because"}).status_code == 403

    assert trail() == []
    assert (local.models / "steady").exists()
    assert not list(local.logs.glob("control/*"))
    assert f"/act/{name}" not in page(client, one)
    permit(staff, "view", verb)
    assert name == "start" or f"/act/{name}" in page(client, one)
    assert client.post(url, {"reason": "because"}).status_code == 302
    assert len(trail()) == 1


def test_a_model_that_runs_and_fails_says_what_it_failed_with(db, frozen_clock):
    world = factories.running_competition(at=frozen_clock, models=2, hours=1)
    ParticipantModel.objects.filter(pk=world.models[0].pk).update(
        last_error="predict: ValueError: no idea (main.py:5)"
    )
    status = replace(ROW, model_id=world.models[0].model_id)
    [line] = local_models._lines([status])
    assert line["why"] == "predict: ValueError: no idea (main.py:5)"
    [line] = local_models._lines([replace(status, error="stopped by Olga")])
    assert line["why"] == "stopped by Olga"


def test_what_a_model_of_another_competition_failed_with_is_not_said(db, frozen_clock):
    other = factories.competition("eth-demo")
    [namesake] = factories.participants(other, 1, at=frozen_clock)
    ParticipantModel.objects.update(last_error="predict: ValueError: no idea")
    status = replace(ROW, model_id=namesake.model_id)
    [line] = local_models._lines([status])
    assert line["why"] == ""
