"""A participant submits with the package: consent, quota, refusals, waiting, logs."""

import importlib
import json
import os
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests
from click.testing import CliRunner

from competitions.local_models import control
from competitions.models import Cruncher, SubmittedVersion
from competitions.submissions.check_queue import check_version
from crunchsite.keys.issuing import create_key
from tests import factories
from tests.competitions.local_models.conftest import ROW
from tests.competitions.submissions.conftest import (
    GOOD,
    RAISES,
    site,  # noqa: F401  a fixture
)
from tests.conftest import NOW
from tests.participants import ToSite, imported, lay_out

pytestmark = [
    pytest.mark.usefixtures("site"),
    pytest.mark.django_db(databases=["default", "tape"]),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("desk"), "baseline", name="btc-demo")


@pytest.fixture
def adapter(monkeypatch):
    adapter = ToSite()

    class SessionToSite(requests.Session):
        def __init__(self):
            super().__init__()
            self.mount("http://", adapter)

    monkeypatch.setattr(requests, "Session", SessionToSite)
    return adapter


@pytest.fixture
def desk(workspace, adapter, monkeypatch, tmp_path, site):  # noqa: F811
    """Run the package's commands as alice, in a folder of her own."""
    factories.participants(factories.competition(), 2, at=NOW)
    cruncher = Cruncher.objects.get(cruncher_id="cr-alice")
    _, key = create_key(name="alice", scopes=["write:models"], cruncher=cruncher)
    monkeypatch.setenv("CRUNCH_BTC_DEMO_KEY", key)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with imported(workspace) as package:

        def run(*arguments, **options):
            main = importlib.import_module(f"{package.__name__}.commands").main
            found = CliRunner().invoke(main, arguments, **options)
            if found.exception and not isinstance(found.exception, SystemExit):
                raise found.exception
            return found.exit_code, found.stdout, found.stderr

        run.package = package.__name__
        yield run


@contextmanager
def meanwhile(desk, monkeypatch, module, act):
    """Let the site do something each time that a command of the package waits."""
    place = importlib.import_module(f"{desk.package}.{module}")
    with monkeypatch.context() as patch:
        patch.setattr(place.time, "sleep", lambda _: act())
        yield


def test_a_new_model_begins_with_an_example_and_is_never_overwritten(desk, tmp_path):
    code, out, err = desk("init", "mine", "--example", "trend_following", "--json")
    assert (code, json.loads(out)) == (0, {"file": "mine/main.py"})
    assert "next: check mine" in err
    main = tmp_path / "mine" / "main.py"
    assert "\nfrom tracker import TrackerBase\n" in main.read_text()
    main.write_text("mine")
    code, _, err = desk("init", "mine")
    assert (code, main.read_text()) == (2, "mine")
    assert "is there already; nothing was changed" in err
    code, _, err = desk("init", "other", "--example", "moon")
    assert code == 2
    assert "there are mean_reversion, trend_following, volatility_regime" in err


def test_push_needs_consent_and_tells_what_was_made_and_is_left(desk):
    desk("init", "mine")
    assert desk("push", "mine", "--dry-run")[0] == 0
    code, _, err = desk("push", "mine")
    assert code == 2
    assert "push needs your consent; give it with --yes" in err
    assert not SubmittedVersion.objects.exists()
    code, out, err = desk("push", "mine", "--yes", "-m", "first", "--json")
    row = SubmittedVersion.objects.get()
    assert code == 0, err
    assert json.loads(out) == {
        "id": row.pk,
        "model_id": "mine",
        "version": 1,
        "status": "QUEUED",
        "competition": "btc-demo",
        "left_today": 4,
        "new_quota_at": json.loads(out)["new_quota_at"],
    }
    assert row.message == "first"
    assert err.startswith("mine: 1 file, ")
    assert err.endswith("next: `status mine`\n")
    assert json.loads(desk("--json", "quota")[1])["used"] == 1
    (listed,) = json.loads(desk("status", "mine", "--json")[1])
    assert (listed["id"], listed["status"]) == (row.pk, "QUEUED")


def test_push_waits_for_the_end_of_the_check(desk, monkeypatch):
    desk("init", "mine")

    def check(found):
        row = SubmittedVersion.objects.waiting().get()
        check_version(row, check=lambda *_: found)

    with meanwhile(desk, monkeypatch, "submit_commands", lambda: check(GOOD)):
        code, out, _ = desk("push", "mine", "--yes", "--wait", "--json")
    assert (code, json.loads(out)["status"]) == (0, "LIVE")
    with meanwhile(desk, monkeypatch, "submit_commands", lambda: check(RAISES)):
        code, out, err = desk("push", "mine", "--yes", "--wait", "--json")
    assert code == 1
    made = json.loads(out)  # one document
    assert (made["status"], made["code"]) == ("REFUSED", "check_answers_failed")
    assert made["result"]["problems"][0]["count"] == 40
    assert err.endswith("Error: the site refused it: ValueError: no (main.py:5)\n")
    quick = replace(GOOD, p99_ms=2.0)
    with meanwhile(desk, monkeypatch, "submit_commands", lambda: check(quick)):
        code, out, err = desk("push", "mine", "--yes", "--wait")
    first, second, *checked = out.splitlines()
    assert (code, first) == (0, "mine, version 3: LIVE")
    assert "; 2 submissions left until 20" in second
    assert checked == [
        "the site's check: 40 of 40 answers, 99 % of them within 2 of 5000 ms"
    ]
    assert err.endswith("next: `model logs mine`, `board`\n")
    with meanwhile(desk, monkeypatch, "submit_commands", lambda: check(RAISES)):
        code, out, err = desk("push", "mine", "--yes", "--wait")
    assert (code, out.splitlines()[0]) == (1, "mine, version 4: REFUSED")
    assert "  40 times: ValueError: no (main.py:5)\n" in out
    assert "next:" not in err
    code, _, err = desk("push", "mine", "--yes", "--wait", "--timeout", "0")
    assert code == 4
    assert "was not checked within 0 s: it is QUEUED" in err
    # Also who breaks off, or loses the site, knows by now that it was taken.
    taken = SubmittedVersion.objects.waiting().get().pk
    assert f"submitted: number {taken}; waiting" in err


def test_a_push_whose_answer_was_lost_is_done_once(desk, adapter, monkeypatch):
    desk("init", "mine")
    lost = []

    def lose(path, response):
        if path == "/api/v1/submissions" and not lost:
            lost.append(path)
            raise requests.ConnectionError("reset")
        return response

    adapter.broken = lose
    with meanwhile(desk, monkeypatch, "site_requests", lambda: None):
        code, out, err = desk("push", "mine", "--yes", "--json")
    assert (code, json.loads(out)["version"]) == (0, 1), err
    assert SubmittedVersion.objects.count() == 1


def test_what_the_site_refuses_has_its_code_and_exit_code(desk, monkeypatch):
    desk("init", "mine")

    def refused(*arguments):
        code, out, _ = desk("push", "mine", "--yes", "--json", *arguments)
        return code, json.loads(out)["code"]

    assert refused("--name", "m2") == (5, "model_taken")
    assert refused("--name", "../x") == (5, "local_model_invalid")
    for _ in range(5):
        assert desk("push", "mine", "--yes")[0] == 0
    assert refused() == (5, "quota_used_up")
    monkeypatch.setenv("CRUNCH_BTC_DEMO_KEY", "csk_wrong")
    assert refused() == (3, "key_unknown")
    monkeypatch.setenv("CRUNCH_BTC_DEMO_KEY", "")
    assert refused() == (3, "not_authenticated")


def test_what_cannot_be_a_model_is_not_sent(desk, adapter, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for text, said in (
        (None, "main.py"),
        (f"from {desk.package}.scoring import x", "which the site's sandbox does not"),
    ):
        if text:
            (folder / "main.py").write_text(text)
        code, _, err = desk("push", "mine", "--yes")
        assert code == 2
        assert said in err
    (folder / "main.py").write_text("x = 1")
    odd = folder / os.fsdecode(b"\xff.txt")  # no zip can name it
    odd.write_text("1")
    code, _, err = desk("push", "mine", "--yes")
    assert (code, "cannot be packed" in err) == (2, True)
    odd.unlink()
    with (folder / "large").open("wb") as file:
        file.truncate(201 * 2**20)
    code, _, err = desk("push", "mine", "--yes")
    assert (code, "200 MiB" in err) == (2, True)
    assert adapter.asked == []


def test_hidden_files_caches_and_links_stay_at_home(desk, tmp_path):
    folder = tmp_path / "mine"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__" / "main.pyc").write_text("")
    (folder / ".env").write_text("SECRET=1")
    (folder / "data").mkdir()
    (folder / "data" / "w.txt").write_text("1")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "main.py").write_text("from tracker import TrackerBase\n")
    code, out, err = desk("push", "mine", "--dry-run", "--json")
    assert (code, json.loads(out)["files"]) == (0, ["data/w.txt", "main.py"]), err


def test_logs_are_followed_until_ctrl_c(desk, monkeypatch, settings):
    told = replace(
        ROW, model_id="mine", cruncher="cr-alice", changed_at=NOW.isoformat()
    )
    control.write_status(settings.MODELS_LOG_DIR, [told])
    log = settings.MODELS_LOG_DIR / "mine.log"
    log.write_text("\x1b[2Jgone\x07\n")
    assert desk("model", "logs", "mine") == (0, "\ufffd[2Jgone\ufffd\n", "")
    log.write_text("one\n")
    assert desk("model", "logs", "mine") == (0, "one\n", "")
    code, _, said = desk("model", "logs", "mine", "--round", "7")
    assert (code, "has nothing of round 7" in said) == (2, True)
    assert desk("model", "logs", "mine", "--round", "7", "--follow")[0] == 2
    part = "[round 7: predict]\ntwo\n[round 7: predict ended]\n"
    log.write_text(f"one\n{part}")
    assert desk("model", "logs", "mine", "--round", "7") == (0, part, "")
    log.write_text("one\n")
    more = iter(["two\n", None])

    def write():
        text = next(more)
        if text is None:
            raise KeyboardInterrupt
        with log.open("a") as file:
            file.write(text)

    with meanwhile(desk, monkeypatch, "log_command", write):
        code, out, _ = desk("model", "logs", "mine", "--follow")
    assert (code, out) == (130, "one\ntwo\n")
    log.write_text("")
    assert desk("model", "logs", "mine") == (0, "", "mine has printed nothing yet.\n")
    for name in ("m2", "none"):  # whether there is one is nobody else's business
        code, _, err = desk("model", "logs", name)
        assert code == 3
        assert "none that runs here has this name" in err
