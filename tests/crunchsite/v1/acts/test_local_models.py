"""Local models over /api/v1/: operators' keys act on all, a cruncher's on its own."""

import io
import zipfile
from dataclasses import replace

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import MULTIPART_CONTENT

from competitions.local_models import control
from competitions.models import Cruncher
from core import clock
from tests import factories
from tests.competitions.local_models.conftest import ROW

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
WHY = {"reason": "it answers too late"}


@pytest.fixture
def folders(world, settings, tmp_path):
    """Two models run: one of alice, one of bram."""
    settings.LOCAL_MODELS_DIR = tmp_path / "models"
    settings.MODELS_LOG_DIR = tmp_path / "log"
    settings.MODELS_LOG_DIR.mkdir()
    rows = []
    for name, owner in (("meridian", "cr-alice"), ("carry", "cr-bram")):
        (settings.LOCAL_MODELS_DIR / name).mkdir(parents=True)
        (settings.LOCAL_MODELS_DIR / name / "main.py").write_text("")
        rows.append(
            replace(
                ROW, model_id=name, cruncher=owner, changed_at=clock.now().isoformat()
            )
        )
    control.write_status(settings.MODELS_LOG_DIR, rows)
    return tmp_path


@pytest.fixture
def alice(program, world):
    cruncher = Cruncher.objects.get(cruncher_id="cr-alice")
    return program("write:models", cruncher=cruncher)


def add(program, file, *, once="", **fields):
    body = {"file": file, **WHY, **fields}
    return program.post("local-models", body, content_type=MULTIPART_CONTENT, once=once)


def code(text="", name="mine.py"):
    return SimpleUploadedFile(name, text.encode())


def zipped(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return SimpleUploadedFile("mine.zip", data.getvalue())


def ids(answer):
    assert answer.status_code == 200, answer.json()
    return [row["model_id"] for row in answer.json()]


def test_each_sees_what_it_may_act_on(operator, alice, program, folders):
    assert ids(operator.get("local-models")) == ["meridian", "carry"]
    assert ids(alice.get("local-models")) == ["meridian"]
    reader = program("read", cruncher=Cruncher.objects.get(cruncher_id="cr-alice"))
    assert ids(reader.get("local-models")) == []


def test_a_model_is_stopped_started_restarted_and_removed(program, folders, settings):
    admin, logs = program("admin"), settings.MODELS_LOG_DIR
    told = admin.post("local-models/carry/stop", WHY).json()["message"]
    assert told == "carry: stop is asked for; the list shows it within a second."
    assert control.is_stopped(logs, "carry")
    admin.post("local-models/carry/start", WHY)
    assert not control.is_stopped(logs, "carry")
    admin.post("local-models/carry/restart", WHY)
    assert control.take_restart(logs, "carry")
    admin.post("local-models/carry/remove", WHY)
    assert not (folders / "models" / "carry").exists()
    said = [entry.change_message for entry in LogEntry.objects.order_by("-pk")[:4]]
    assert said == [
        f"Local: {name}, was RUNNING. Reason: it answers too late"
        for name in ("Remove", "Restart", "Start", "Stop")
    ]


def test_what_is_removed_already_is_a_conflict(program, folders):
    """The orchestrator's list has it for a second longer."""
    admin = program("admin")
    assert admin.post("local-models/carry/remove", WHY).status_code == 200
    again = admin.post("local-models/carry/remove", WHY)
    assert (again.status_code, again.json()["code"]) == (409, "local_model_invalid")
    assert LogEntry.objects.filter(change_message__startswith="Local").count() == 1


def test_a_cruncher_s_key_acts_on_its_own_alone(alice, folders, settings):
    assert alice.post("local-models/meridian/stop", WHY).status_code == 200
    assert control.is_stopped(settings.MODELS_LOG_DIR, "meridian")
    for path in ("carry/stop", "none/stop", "meridian/remove", "carry/remove"):
        answer = alice.post(f"local-models/{path}", WHY)
        told = (answer.status_code, answer.json()["code"])
        assert told == (403, "scope_insufficient"), path
    assert not control.is_stopped(settings.MODELS_LOG_DIR, "carry")


def test_a_cruncher_s_key_adds_nothing_unchecked(alice, folders):
    answer = add(alice, code("x = 1"))
    told = (answer.status_code, answer.json()["code"])
    assert told == (403, "submissions_instead")
    assert not (folders / "models" / "mine").exists()


def test_the_whole_log_is_read_by_its_cruncher_and_operators(
    alice, operator, program, folders, settings
):
    lines = [f"line {n} " + "x" * 90 for n in range(2_000)]
    log = settings.MODELS_LOG_DIR / "meridian.log"
    log.with_name("meridian.log.1").write_text("older\n")
    log.write_text("\n".join(lines) + "\n")

    def walk(cursor=""):
        text = ""
        while True:
            page = alice.get("local-models/meridian/log", cursor=cursor).json()
            text, cursor = text + page["text"], page["cursor"]
            if page["is_end"]:
                return text, cursor

    text, cursor = walk()
    assert text.splitlines() == ["older", *lines]
    assert walk(cursor) == ("", cursor)
    # The file changes its name when it is long; nothing is lost or told twice.
    with log.open("a") as file:
        file.write("last of the old\n")
    log.replace(log.with_name("meridian.log.1"))
    log.write_text("first of the new\n")
    text, cursor = walk(cursor)
    assert text == "last of the old\nfirst of the new\n"
    with log.open("a") as file:  # the last line has no end, as in a crash
        file.write("then\nloading ...")
    assert walk(cursor)[0] == "then\nloading ..."
    assert operator.get("local-models/meridian/log").status_code == 200
    reader = program("read", cruncher=Cruncher.objects.get(cruncher_id="cr-alice"))
    for who, path in (
        (alice, "carry"),
        (alice, "none"),
        (reader, "meridian"),
        (program("read"), "meridian"),
    ):
        answer = who.get(f"local-models/{path}/log")
        told = (answer.status_code, answer.json()["code"])
        assert told == (403, "scope_insufficient"), path
    for bad in ("..", "x:1", ":", "0:-1", "9" * 60):
        answer = alice.get("local-models/meridian/log", cursor=bad)
        assert answer.json()["text"].startswith("line 0 "), bad


def test_the_log_of_a_round_is_read_by_its_cruncher_and_operators(
    alice, operator, program, folders, settings
):
    log = settings.MODELS_LOG_DIR / "meridian.log"
    part = "[round 7: predict]\nhello\n[round 7: predict ended]\n"
    log.write_text(f"starts\n{part}[round 8: predict]\n")
    for who in (alice, operator):
        page = who.get("local-models/meridian/log", round=7).json()
        assert page == {"text": part, "cursor": str(len(part)), "is_end": True}
    missing = alice.get("local-models/meridian/log", round=9)
    assert (missing.status_code, missing.json()["code"]) == (404, "round_not_in_log")
    for bad in ("x", "-1", "9" * 30):
        assert alice.get("local-models/meridian/log", round=bad).status_code == 422
    bob = Cruncher.objects.exclude(cruncher_id="cr-alice").first()
    for who in (program("write:models", cruncher=bob), program("read")):
        answer = who.get("local-models/meridian/log", round=7)
        assert (answer.status_code, b"hello" in answer.content) == (403, False)


def test_a_model_is_added_once(operator, folders):
    first = add(operator, code("x = 1"), name="new", once="a-1")
    assert first.status_code == 201
    assert first.json() == {"model_id": "new", "competition": "btc-demo"}
    again = add(operator, code("x = 1"), name="new", once="a-1")
    assert again.json() == first.json()
    other = add(operator, code("x = 2"), name="new", once="a-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    taken = add(operator, code("x = 1"), name="new")
    assert (taken.status_code, taken.json()["code"]) == (409, "local_model_invalid")
    assert (folders / "models" / "new" / "main.py").read_text() == "x = 1"


@pytest.mark.parametrize(
    ("file", "fields", "refusal"),
    [
        (code("x"), {"name": "../x"}, (409, "local_model_invalid")),
        (code("x"), {"name": "x" * 101}, (422, "max_length")),
        (code("x"), {"reason": ""}, (422, "blank")),
        ("text", {}, (422, "invalid")),
        (code("x", "mine.zip"), {}, (409, "local_model_invalid")),
        (zipped(other__py=""), {}, (409, "local_model_invalid")),
    ],
)
def test_what_is_no_model_is_refused(operator, folders, file, fields, refusal):
    before = sorted((folders / "models").iterdir())
    answer = add(operator, file, **fields)
    assert (answer.status_code, answer.json()["code"]) == refusal
    assert "/tmp" not in answer.json()["detail"]
    assert str(folders) not in answer.json()["detail"]
    assert sorted((folders / "models").iterdir()) == before


def test_json_is_no_form(operator, folders):
    assert operator.post("local-models", WHY).status_code == 415


def test_an_unknown_model_is_404_and_a_key_of_elsewhere_403(operator, program, folders):
    answer = operator.post("local-models/none/stop", WHY)
    assert (answer.status_code, answer.json()["code"]) == (404, "local_model_not_found")
    other = factories.competition("other-cup")
    bound = program("write:operate", competition=other)
    for answer in (
        bound.get("local-models"),
        bound.post("local-models/carry/stop", WHY),
        add(bound, code()),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "key_out_of_reach")
