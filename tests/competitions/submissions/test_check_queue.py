"""A version that passes the site's check replaces the one that runs; no other does."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from competitions.check_model import checkup
from competitions.local_models import control, model_folders
from competitions.local_models.control import ControlError
from competitions.local_models.hidden_folders import CANDIDATES_SOCKET
from competitions.local_models.launch import PROJECT
from competitions.local_models.trees import remove_tree
from competitions.models import SubmittedVersion
from competitions.submissions import check_queue
from competitions.submissions.check_queue import check_version, check_waiting
from competitions.submissions.going_live import clear_refused
from competitions.submissions.quota import quota_of
from competitions.submissions.site_bench import site_bench, submitted_folder
from tests.competitions.gateway.conftest import STEADY, predicting
from tests.competitions.submissions.conftest import GOOD, RAISES, silence
from tests.waiting import wait_for


def running(settings, model_id="mine"):
    return (settings.LOCAL_MODELS_DIR / model_id / "main.py").read_text()


def ended(row, found):
    """Check a version that is found so."""
    row.refresh_from_db()
    has_ended = check_version(row, check=lambda *_: found)
    row.refresh_from_db()
    return has_ended


def test_a_fit_version_goes_live_and_replaces_the_one_before(alice, settings):
    first, second, third = (alice.submit(f"x = {n}") for n in (1, 2, 3))
    assert ended(first, GOOD)
    assert (first.status, running(settings)) == ("LIVE", "x = 1")
    assert (first.result["answered"], first.result["problems"]) == (40, [])
    assert ended(second, GOOD)
    assert ended(third, GOOD)
    assert alice.statuses() == ["REPLACED", "REPLACED", "LIVE"]
    assert running(settings) == "x = 3"
    first.refresh_from_db()
    # The one before is kept to go back to, older ones are not.
    assert (first.content, bool(second.content)) == ("", True)
    assert len(list(submitted_folder().iterdir())) == 2


def test_a_version_that_fails_is_refused_and_the_old_one_goes_on(alice, settings):
    first, second = alice.submit("x = 1"), alice.submit("x = 2")
    ended(first, GOOD)
    assert ended(second, RAISES)
    assert alice.statuses() == ["LIVE", "REFUSED"]
    assert running(settings) == "x = 1"
    assert (second.code, second.reason) == (
        "check_answers_failed",
        "ValueError: no (main.py:5)",
    )
    assert second.result["problems"] == [{"text": second.reason, "count": 40}]
    assert clear_refused() == 1
    assert [f.name for f in submitted_folder().iterdir()] == [first.content]
    third = alice.submit("x = 3")
    ended(third, replace(RAISES, setup_s=None))
    assert third.code == "check_setup_failed"


def test_while_the_bench_is_down_versions_wait_without_fault(alice, site):
    row = alice.submit()
    silence(site)
    assert not check_waiting()
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("QUEUED", 0)
    assert row.reason == (
        "the site's orchestrator of checks does not run; it is tried again"
    )


def test_a_bench_that_goes_down_meanwhile_is_no_fault_of_the_version(alice, site):
    row = alice.submit()

    def check(*_):
        silence(site)
        return RAISES

    assert not check_version(row, check=check)
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("QUEUED", 0)


def test_a_check_that_was_killed_is_done_anew_and_given_up_after_three(alice):
    row = alice.submit()

    def die(*_):
        raise KeyboardInterrupt

    for attempt in (1, 2, 3):
        with pytest.raises(KeyboardInterrupt):
            check_version(row, check=die)
        row.refresh_from_db()
        assert (row.status, row.attempts) == ("CHECKING", attempt)
    assert check_waiting()
    row.refresh_from_db()
    assert (row.status, row.code) == ("REFUSED", "check_interrupted")
    assert quota_of(alice.cruncher).left == 5


def test_a_name_that_another_took_meanwhile_is_not_replaced(alice, settings):
    row = alice.submit()
    other = settings.LOCAL_MODELS_DIR / "mine"

    def check(*_):
        other.mkdir()
        (other / "main.py").write_text("of the operator")
        return GOOD

    assert check_version(row, check=check)
    row.refresh_from_db()
    assert (row.status, row.code) == ("REFUSED", "model_taken")
    assert (other / "main.py").read_text() == "of the operator"


def test_what_the_site_cannot_put_in_its_place_waits(alice, monkeypatch):
    row = alice.submit()

    def full(**_):
        raise ControlError("model cannot be copied: No space left on device.")

    monkeypatch.setattr(model_folders, "replace_model", full)
    assert not check_version(row, check=lambda *_: GOOD)
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("QUEUED", 0)
    assert "No space left on device" in row.reason


def test_a_version_that_cannot_be_checked_holds_up_no_other(
    alice, settings, monkeypatch
):
    """Neither one that waits, nor one whose check breaks; a model's go in order."""
    waits, breaks = (alice.submit(model_id=name) for name in ("waits", "breaks"))
    good = [alice.submit(f"x = {n}", model_id="good") for n in (1, 2)]
    later = alice.submit(model_id="waits")

    def check(row, folder, bench):
        if row == breaks:
            raise RuntimeError("a bug of the check")
        if row == waits:
            raise ControlError("no space left")
        return GOOD

    monkeypatch.setattr(check_queue, "check_version", lambda r: check_version(r, check))
    assert [check_waiting() for _ in range(4)] == [True, True, False, True]
    assert alice.statuses("good") == ["REPLACED", "LIVE"]
    assert alice.statuses("breaks") == ["REFUSED"]
    assert alice.statuses("waits") == ["QUEUED", "QUEUED"]
    assert running(settings, "good") == f"x = {good[1].version}"
    later.refresh_from_db()
    assert later.attempts == 0


def test_checks_that_were_killed_count_though_the_bench_was_down_between(alice, site):
    """It may be the version that brings the whole site down."""
    row = alice.submit()

    def die(*_):
        raise KeyboardInterrupt

    for attempt in (1, 2, 3):
        silence(site)
        assert not check_waiting()
        control.touch_heartbeat(site_bench().logs)
        row.refresh_from_db()
        assert (row.status, row.attempts) == ("QUEUED", attempt - 1)
        with pytest.raises(KeyboardInterrupt):
            check_version(row, check=die)
    assert check_waiting()
    row.refresh_from_db()
    assert (row.status, row.code) == ("REFUSED", "check_interrupted")


def test_a_version_whose_files_are_gone_holds_up_no_other(alice):
    row = alice.submit()
    remove_tree(submitted_folder() / row.content)
    assert check_waiting()
    row.refresh_from_db()
    assert (row.status, row.code) == ("REFUSED", "check_interrupted")
    assert quota_of(alice.cruncher).left == 5


def test_an_attempt_that_was_overtaken_ends_nothing(alice, settings):
    row = alice.submit()

    def slow(*_):
        SubmittedVersion.objects.filter(pk=row.pk).update(attempts=2)
        return GOOD

    assert not check_version(row, check=slow)
    assert alice.statuses() == ["CHECKING"]
    assert not (settings.LOCAL_MODELS_DIR / "mine").exists()


@pytest.fixture
def orchestrator(site, settings):
    """The real orchestrator of local models, with its bench."""
    (site_bench().logs / control.HEARTBEAT_FILE).unlink()
    output = (site / "output").open("wb")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "competitions.local_models", "--level", "1"),
            *("--models", settings.LOCAL_MODELS_DIR, "--crunch-id", "btc-demo"),
            *("--logs", settings.MODELS_LOG_DIR, "--socket", site / "o.sock"),
            *("--candidates-socket", site / CANDIDATES_SOCKET),
        ],
        cwd=PROJECT,
        env=os.environ,
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    wait_for(site_bench().is_up)
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    output.close()


def test_the_real_check_ends_each_version_by_what_it_does(
    alice, bram, orchestrator, settings, monkeypatch
):
    """In the sandbox, over the wire: good, printing, raising, hanging, incomplete."""
    monkeypatch.setattr(check_queue, "ROUNDS", 1)
    monkeypatch.setattr(checkup, "LOG_DELAY_S", 60)
    settings.ENV = settings.ENV.model_copy(update={"model_runner_timeout_s": 5.0})
    good = alice.submit(STEADY)
    alice.submit(predicting('return {"value": float(bool(print("x" * 2**20)))}'))
    alice.submit(predicting("raise ValueError('no')"))
    alice.submit("import no_such_library\n" + STEADY)
    bram.submit(predicting("while True: pass"), model_id="other")
    while check_waiting():
        pass
    rows = {row.pk: row for row in SubmittedVersion.objects.all()}
    good.refresh_from_db()
    assert alice.statuses() == ["REPLACED", "LIVE", "REFUSED", "REFUSED"]
    _, loud, raising, incomplete, hanging = (rows[pk] for pk in sorted(rows))
    assert (good.result["answered"], good.result["is_deterministic"]) == (1, True)
    assert len(loud.result["log"]) < 70_000
    assert raising.code == "check_answers_failed"
    assert raising.reason.startswith("predict: ValueError: no (main.py:")
    assert incomplete.code == "check_setup_failed"
    assert "No module named 'no_such_library'" in incomplete.reason
    # The log has the model's own lines, not how the site came to them.
    assert "import no_such_library" in incomplete.result["log"]
    assert "servicer.py" not in incomplete.result["log"]
    assert (hanging.status, hanging.code) == ("REFUSED", "check_answers_failed")

    def runs_newest():
        seen = control.status(settings.MODELS_LOG_DIR)
        return [(row.model_id, row.state, row.code_hash) for row in seen] == [
            ("mine", "RUNNING", loud.code_hash)
        ]

    wait_for(runs_newest)
    assert list(site_bench().models.iterdir()) == []
