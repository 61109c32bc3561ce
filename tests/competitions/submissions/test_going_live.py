"""What breaks once it is live gives way to the version before."""

import errno
import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from competitions.local_models import control, kernel, model_folders
from competitions.local_models.control import ControlError
from competitions.local_models.trees import remove_tree
from competitions.submissions.check_queue import check_version
from competitions.submissions.errors import ModelTakenError
from competitions.submissions.going_live import (
    clear_refused,
    prune_contents,
    refuse_those_of,
    roll_back_broken,
)
from competitions.submissions.site_bench import submitted_folder
from core import clock
from crunchsite.keys.issuing import account_of
from tests.competitions.local_models.conftest import ROW
from tests.competitions.submissions.conftest import GOOD, RAISES
from tests.conftest import NOW


def reported(settings, row, state, error="", *others):
    """Let the orchestrator report models in a state."""
    told = [
        replace(
            ROW,
            model_id=each.model_id,
            cruncher=each.cruncher.cruncher_id,
            state=state,
            error=error,
            restarts=5,
            code_hash=each.code_hash,
            changed_at=clock.now().isoformat(),
        )
        for each in (row, *others)
    ]
    control.write_status(settings.MODELS_LOG_DIR, told)


def live(alice, *texts, model_id="mine"):
    rows = [alice.submit(text, model_id=model_id) for text in texts]
    for row in rows:
        check_version(row, check=lambda *_: GOOD)
        row.refresh_from_db()
    return rows


def test_a_new_version_that_is_quarantined_gives_way(alice, settings):
    _, second, third = live(alice, "x = 1", "x = 2", "x = 3")
    reported(settings, third, "RUNNING")
    assert roll_back_broken() == 0
    reported(settings, third, "QUARANTINED", "5 times in a row it ended")
    assert (roll_back_broken(), clear_refused()) == (1, 1)
    assert alice.statuses() == ["REPLACED", "LIVE", "REFUSED"]
    third.refresh_from_db()
    assert (third.code, third.reason) == (
        "quarantined_live",
        "5 times in a row it ended",
    )
    main = settings.LOCAL_MODELS_DIR / "mine" / "main.py"
    assert main.read_text() == "x = 2"
    # The one before that is gone: this one stays, and its status says what is wrong.
    reported(settings, second, "QUARANTINED", "5 times")
    assert roll_back_broken() == 0
    assert main.read_text() == "x = 2"


def test_a_version_that_cannot_be_rolled_back_stops_no_other(alice, settings):
    """The files before it are lost: it stays as it is, and the other gives way."""
    before, lost = live(alice, "x = 1", "x = 2", model_id="lost")
    _, other = live(alice, "x = 1", "x = 2", model_id="other")
    remove_tree(submitted_folder() / before.content)
    reported(settings, lost, "QUARANTINED", "5 times", other)
    assert roll_back_broken() == 1
    assert alice.statuses("lost") == ["REPLACED", "LIVE"]
    assert alice.statuses("other") == ["LIVE", "REFUSED"]


def killed_as_it_takes_its_place(monkeypatch, act):
    """Do something and die after the folder took its place, before that is recorded."""
    exchange, rename = kernel.exchange, Path.rename

    def die(*folders):
        exchange(*folders)
        raise KeyboardInterrupt

    def die_of_rename(path, target):
        rename(path, target)
        if target.name == "mine":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kernel, "exchange", die)
        patch.setattr(Path, "rename", die_of_rename)
        with pytest.raises(KeyboardInterrupt):
            act()


def test_a_version_killed_on_its_way_goes_on_without_another_check(
    alice, settings, monkeypatch
):
    """Another check might refuse it, while its code is in its place."""
    live(alice, "x = 1")
    second = alice.submit("x = 2")
    killed_as_it_takes_its_place(
        monkeypatch, lambda: check_version(second, check=lambda *_: GOOD)
    )
    assert alice.statuses() == ["LIVE", "CHECKING"]
    second.refresh_from_db()
    assert check_version(second, check=lambda *_: RAISES)
    assert alice.statuses() == ["REPLACED", "LIVE"]
    assert (settings.LOCAL_MODELS_DIR / "mine" / "main.py").read_text() == "x = 2"
    second.refresh_from_db()
    assert second.result["answered"] == 40


@pytest.mark.parametrize("before", [["x = 1"], []], ids=["replaces", "is the first"])
@pytest.mark.parametrize("code", ["key_revoked", "check_interrupted"])
def test_a_version_killed_on_its_way_and_then_refused_leaves_its_place(
    code, before, alice, settings, monkeypatch
):
    live(alice, *before)
    row = alice.submit("x = 2")
    place = settings.LOCAL_MODELS_DIR / "mine"
    for _ in range(3 if code == "check_interrupted" else 1):
        killed_as_it_takes_its_place(
            monkeypatch, lambda: check_version(row, check=lambda *_: GOOD)
        )
        row.refresh_from_db()
    assert (place / "main.py").read_text() == "x = 2"
    if code == "key_revoked":
        assert refuse_those_of(account_of("test").pk) == 1
    else:
        assert check_version(row, check=lambda *_: GOOD)
    assert clear_refused() == 1
    row.refresh_from_db()
    assert (row.status, row.code, row.content) == ("REFUSED", code, "")
    left = [(each / "main.py").read_text() for each in place.parent.glob("[!.]*")]
    assert left == before
    assert len(list(submitted_folder().iterdir())) == len(before)
    assert clear_refused() == 0


def test_a_folder_of_the_same_code_that_never_was_a_version_stays(alice, settings):
    """An operator has put it there; the version was refused before it came so far."""
    row = alice.submit("x = 1")
    place = settings.LOCAL_MODELS_DIR / "mine"
    shutil.copytree(submitted_folder() / row.content, place)
    assert check_version(row, check=lambda *_: RAISES)
    assert clear_refused() == 1
    assert (place / "main.py").read_text() == "x = 1"


def test_a_rollback_that_is_killed_is_brought_to_its_end(alice, settings, monkeypatch):
    first, second = live(alice, "x = 1", "x = 2")
    reported(settings, second, "QUARANTINED", "5 times")

    def roll_back():
        roll_back_broken()
        clear_refused()

    killed_as_it_takes_its_place(monkeypatch, roll_back)
    reported(settings, first, "RUNNING")  # its code is there already
    roll_back()
    assert alice.statuses() == ["LIVE", "REFUSED"]
    assert (settings.LOCAL_MODELS_DIR / "mine" / "main.py").read_text() == "x = 1"
    assert len(list(submitted_folder().iterdir())) == 1


def test_a_place_that_cannot_be_given_back_stops_no_other(alice, settings, monkeypatch):
    """The disk is full for one of two: it is done as soon as there is space."""
    pairs = [live(alice, "x = 1", "x = 2", model_id=name) for name in ("one", "two")]
    reported(settings, pairs[0][1], "QUARANTINED", "5 times", pairs[1][1])
    assert roll_back_broken() == 2
    replace = model_folders.replace_model

    def full(*, model_id, **places):
        if model_id == "one":
            raise ControlError("no space left")
        replace(model_id=model_id, **places)

    monkeypatch.setattr(model_folders, "replace_model", full)
    assert clear_refused() == 1
    monkeypatch.undo()
    mains = [settings.LOCAL_MODELS_DIR / name / "main.py" for name in ("one", "two")]
    assert [main.read_text() for main in mains] == ["x = 2", "x = 1"]
    assert clear_refused() == 1
    assert [main.read_text() for main in mains] == ["x = 1", "x = 1"]


def cannot_exchange(*_):
    raise OSError(errno.EINVAL, "Invalid argument")


def test_a_file_system_that_cannot_exchange_folders_takes_versions(
    alice, settings, monkeypatch
):
    monkeypatch.setattr(kernel, "exchange", cannot_exchange)
    live(alice, "x = 1", "x = 2")
    assert alice.statuses() == ["REPLACED", "LIVE"]
    assert (settings.LOCAL_MODELS_DIR / "mine" / "main.py").read_text() == "x = 2"
    assert list(settings.LOCAL_MODELS_DIR.glob(".*ing-*")) == []


def test_a_model_that_cannot_be_replaced_stays(alice, settings, monkeypatch):
    """Also where the old folder had to be moved away first."""
    first, second = alice.submit("x = 1"), alice.submit("x = 2")
    check_version(first, check=lambda *_: GOOD)
    move = Path.rename

    def rename(path, target):
        if path.name == "model":
            raise OSError(28, "No space left on device", str(path))
        return move(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(kernel, "exchange", cannot_exchange)
    assert not check_version(second, check=lambda *_: GOOD)
    monkeypatch.undo()
    second.refresh_from_db()
    assert alice.statuses() == ["LIVE", "QUEUED"]
    assert (settings.LOCAL_MODELS_DIR / "mine" / "main.py").read_text() == "x = 1"
    assert "No space left on device" in second.reason
    assert str(settings.LOCAL_MODELS_DIR) not in second.reason


def test_a_model_that_was_removed_comes_back_with_its_next_version(
    alice, bram, settings
):
    (first,) = live(alice, "x = 1")
    reported(settings, first, "STOPPED")
    logs = settings.MODELS_LOG_DIR
    control.stop(logs_dir=logs, model_id="mine")
    control.remove(models_dir=settings.LOCAL_MODELS_DIR, logs_dir=logs, model_id="mine")
    assert not (settings.LOCAL_MODELS_DIR / "mine").exists()
    with pytest.raises(ModelTakenError):
        bram.submit("x = 9")
    live(alice, "x = 2")
    assert alice.statuses() == ["REPLACED", "LIVE"]
    assert (settings.LOCAL_MODELS_DIR / "mine" / "main.py").read_text() == "x = 2"
    assert not control.is_stopped(logs, "mine")


def test_one_that_has_run_for_long_does_not_give_way(alice, settings, at):
    _, second = live(alice, "x = 1", "x = 2")
    reported(settings, second, "QUARANTINED", "5 times")
    with at(NOW + timedelta(hours=2)):
        assert roll_back_broken() == 0


def test_contents_without_a_version_go_after_an_hour(alice):
    row = alice.submit()
    for name, age_s in (("old", 7200), ("new", 60)):
        (submitted_folder() / name).mkdir()
        then = clock.wall_now().timestamp() - age_s
        os.utime(submitted_folder() / name, (then, then))
    os.utime(submitted_folder() / row.content, (1, 1))
    assert prune_contents() == 1
    kept = {folder.name for folder in submitted_folder().iterdir()}
    assert kept == {"new", row.content}
