"""What an operator can do with a local model."""

import json
import os
import shutil
import signal
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from competitions.local_models import control, model_folders
from tests.competitions.gateway.conftest import (
    LIMIT_S,
    STEADY,
    ask,
    predicting,
    wait_live,
)
from tests.competitions.local_models.conftest import ROW, row_of, run_one, state_of
from tests.competitions.local_models.test_trees import nest
from tests.waiting import wait_for


def test_stop_lasts_over_a_restart_of_the_orchestrator_until_start(local_models):
    run_one(local_models)
    gateway = local_models.gateway()
    wait_live(gateway, "model")

    control.stop(logs_dir=local_models.logs, model_id="model")
    wait_for(lambda: state_of(local_models, "model") == "STOPPED")
    wait_for(lambda: gateway.live() == set())
    assert local_models.stop() == 0
    local_models.start("--level", "1")
    wait_for(lambda: local_models.output.read_text().count("listening") == 2)
    assert state_of(local_models, "model") == "STOPPED"

    control.start(logs_dir=local_models.logs, model_id="model")
    wait_for(lambda: state_of(local_models, "model") == "RUNNING")


def test_restart_gives_a_new_process(local_models):
    run_one(local_models)
    (before,) = control.status(local_models.logs)

    control.restart(logs_dir=local_models.logs, model_id="model")

    wait_for(lambda: control.status(local_models.logs)[0].pid not in (before.pid, None))
    wait_for(lambda: state_of(local_models, "model") == "RUNNING")
    assert control.status(local_models.logs)[0].deployment_id != before.deployment_id


def test_quarantine_survives_a_restart_and_is_lifted_by_the_operator(local_models):
    local_models.write("model", "raise OSError('weights missing')")
    local_models.start("--level", "1")
    local_models.gateway()
    wait_for(lambda: state_of(local_models, "model") == "QUARANTINED")
    (row,) = control.status(local_models.logs)
    assert "OSError: weights missing" in row.error
    assert local_models.stop() == 0
    (row,) = control.status(local_models.logs)
    assert row.state == "QUARANTINED"

    local_models.start("--level", "1")
    wait_for(lambda: local_models.output.read_text().count("listening") == 2)
    assert control.status(local_models.logs)[0].state == "QUARANTINED"

    control.restart(logs_dir=local_models.logs, model_id="model")
    wait_for(lambda: state_of(local_models, "model") == "RUNNING")


def test_an_ending_process_is_restarted_a_few_times_then_quarantined(local_models):
    local_models.write("model")
    (local_models.models / "model" / "main.py").write_text(
        "import os; os._exit(7)\n" + STEADY
    )
    local_models.start("--level", "1")
    local_models.gateway()

    wait_for(lambda: state_of(local_models, "model") == "QUARANTINED")

    (row,) = control.status(local_models.logs)
    assert "5 times in a row its process ended (exit code 7)" in row.error


def test_a_model_that_was_killed_takes_an_edit_and_ends_in_order(local_models):
    run_one(local_models)
    (before,) = control.status(local_models.logs)
    os.killpg(before.pid, signal.SIGKILL)
    wait_for(lambda: row_of(local_models, "model").pid not in (before.pid, None))
    wait_for(lambda: state_of(local_models, "model") == "RUNNING")

    local_models.write("model", predicting("return {'value': 2.0}"))

    wait_for(lambda: row_of(local_models, "model").code_hash != before.code_hash)
    wait_for(lambda: state_of(local_models, "model") == "RUNNING")
    os.killpg(row_of(local_models, "model").pid, signal.SIGKILL)
    wait_for(lambda: row_of(local_models, "model").restarts == 1)
    assert local_models.stop() == 0
    assert "Traceback" not in local_models.output.read_text()


def test_a_model_quarantined_for_crashing_is_restarted(local_models):
    local_models.write("model", "import os; os._exit(7)\n" + STEADY)
    local_models.start("--level", "1")
    local_models.gateway()
    wait_for(lambda: state_of(local_models, "model") == "QUARANTINED")
    before = row_of(local_models, "model").deployment_id

    control.restart(logs_dir=local_models.logs, model_id="model")

    wait_for(lambda: row_of(local_models, "model").deployment_id not in (before, ""))
    wait_for(lambda: state_of(local_models, "model") == "QUARANTINED")
    assert local_models.stop() == 0


def test_a_run_folder_of_any_depth_keeps_no_model_from_being_stopped(local_models):
    local_models.write("second")
    run_one(local_models)
    gateway = local_models.gateway()
    wait_live(gateway, "model", "second")
    socket = Path(gateway._asker._cluster.models_run["model"].port)
    nest(socket.parent, 1_500)

    control.stop(logs_dir=local_models.logs, model_id="model")

    wait_for(lambda: state_of(local_models, "model") == "STOPPED")
    wait_for(lambda: not socket.parent.exists())
    assert state_of(local_models, "second") == "RUNNING"
    assert local_models.stop() == 0


def test_trouble_with_one_model_keeps_no_other_from_being_obeyed(local_models):
    local_models.write("second")
    run_one(local_models)
    wait_for(lambda: state_of(local_models, "second") == "RUNNING")
    flags = local_models.logs / "control"
    (flags / "model.restart").mkdir(parents=True)  # a flag that cannot be taken
    wait_for(lambda: "orchestrator.model_failed" in local_models.output.read_text())
    seen_at = control.seen_at(local_models.logs)

    control.stop(logs_dir=local_models.logs, model_id="second")

    wait_for(lambda: state_of(local_models, "second") == "STOPPED")
    wait_for(lambda: control.seen_at(local_models.logs) > seen_at)


def test_a_hung_model_is_ended_with_its_stack_in_the_log(local_models):
    local_models.write("model", predicting("while True: pass  # here it hangs"))
    local_models.start("--hang-s", "0.5", "--level", "1")
    gateway = local_models.gateway(timeout_s=LIMIT_S)
    wait_live(gateway, "model")
    assert ask(gateway, ["model"])["model"].outcome == "FAILED"

    wait_for(lambda: control.status(local_models.logs)[0].restarts == 1)
    log = control.log_tail(logs_dir=local_models.logs, model_id="model")
    assert "main.py" in log
    assert "in predict" in log
    assert "Timeout" in log


# --- What models of level 1 could leave in the logs folder


@pytest.mark.parametrize(
    "change",
    [
        {"state": "DANCING"},
        {"state": ["RUNNING"]},
        {"model_id": "../../settings"},
        {"changed_at": "yesterday"},
        {"changed_at": "2026-01-01T00:00:00"},
        {"changed_at": 5},
        {"code_hash": []},
        {"restarts": "many"},
        {"surprise": 1},
    ],
)
def test_a_row_that_makes_no_sense_is_passed_over(tmp_path, change):
    rows = [asdict(ROW) | change, asdict(ROW) | {"model_id": "other"}]
    (tmp_path / "status.json").write_text(json.dumps(rows))

    assert [row.model_id for row in control.status(tmp_path)] == ["other"]


@pytest.mark.parametrize("text", ["", "5", "[5]", '["a"]', "[" * 100_000, "\udcff"])
def test_a_status_that_makes_no_sense_is_none(tmp_path, text):
    (tmp_path / "status.json").write_text(text, errors="surrogateescape")

    assert control.status(tmp_path) == []


def link_to_secret(path):
    secret = path.parent / "secret"
    secret.write_text(json.dumps([asdict(ROW)]))
    path.symlink_to(secret)


@pytest.mark.parametrize(
    "make", [link_to_secret, os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path)]
)
def test_only_a_plain_file_is_read(tmp_path, make):
    control.write_status(tmp_path, [ROW])
    make(tmp_path / "model.log")

    assert control.log_tail(logs_dir=tmp_path, model_id="model") == ""

    (tmp_path / "status.json").unlink()
    make(tmp_path / "status.json")
    assert control.status(tmp_path) == []


def test_a_flag_is_never_made_through_a_link(tmp_path):
    control.write_status(tmp_path, [ROW])
    (tmp_path / "control").mkdir()
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "control" / "model.stopped").symlink_to(elsewhere)

    with pytest.raises(OSError, match="symbolic link"):
        control.stop(logs_dir=tmp_path, model_id="model")
    assert not elsewhere.exists()


def test_a_heartbeat_that_makes_no_sense_ends_no_page(tmp_path):
    beat = tmp_path / control.HEARTBEAT_FILE
    beat.symlink_to(beat)
    assert control.seen_at(tmp_path) == seen_at(beat.lstat())
    beat.unlink()
    beat.touch()
    os.utime(beat, (2**40, 2**40))  # the year 36812, where the file system keeps it
    kept = beat.stat()
    assert control.seen_at(tmp_path) == (
        None if kept.st_mtime == 2**40 else seen_at(kept)
    )


def seen_at(status):
    return datetime.fromtimestamp(status.st_mtime, UTC)


# --- Adding and removing


def test_a_model_is_added_as_a_whole(local_models, tmp_path):
    run_one(local_models)
    source = tmp_path / "newcomer"
    source.mkdir()
    (source / "main.py").write_text(STEADY)

    assert (
        model_folders.add(models_dir=local_models.models, source=source) == "newcomer"
    )

    wait_for(lambda: state_of(local_models, "newcomer") == "RUNNING")
    with pytest.raises(control.ControlError, match="'newcomer', which is taken"):
        model_folders.add(models_dir=local_models.models, source=source)


def test_a_removed_model_ends_and_its_name_is_free_again(local_models, tmp_path):
    run_one(local_models)
    folders = {"models_dir": local_models.models, "logs_dir": local_models.logs}
    control.stop(logs_dir=local_models.logs, model_id="model")

    control.remove(**folders, model_id="model")

    wait_for(lambda: state_of(local_models, "model") is None)
    assert list(local_models.models.iterdir()) == []
    local_models.write("model")
    wait_for(lambda: state_of(local_models, "model") == "RUNNING")


def test_a_folder_begins_with_the_examples_and_is_left_alone_after(tmp_path):
    folder = tmp_path / "new" / "models"

    model_folders.begin(folder)

    names = {path.name for path in model_folders.EXAMPLES.iterdir()}
    assert {path.name for path in folder.iterdir()} == names
    (folder / "momentum" / "main.py").write_text("mine")
    shutil.rmtree(folder / "contrarian")
    model_folders.begin(folder)
    assert (folder / "momentum" / "main.py").read_text() == "mine"
    assert not (folder / "contrarian").exists()


def test_the_orchestrators_heartbeat_is_seen(local_models):
    assert control.seen_at(local_models.logs) is None
    run_one(local_models)
    first = control.seen_at(local_models.logs)
    wait_for(lambda: control.seen_at(local_models.logs) > first)


@pytest.mark.parametrize("text", ["", "not JSON", '[{"model_id": "a"}]', "7"])
def test_a_status_that_cannot_be_read_counts_as_none(tmp_path, text):
    (tmp_path / "status.json").write_text(text)
    assert control.status(tmp_path) == []


@pytest.mark.parametrize("name", ["../up", ".hidden", "two words", "x" * 101])
def test_a_name_that_is_no_id_is_refused(tmp_path, name):
    (tmp_path / "main.py").write_text(STEADY)

    with pytest.raises(control.ControlError, match="model name was"):
        model_folders.add(models_dir=tmp_path, source=tmp_path, model_id=name)


def test_a_folder_without_code_is_refused(tmp_path):
    with pytest.raises(control.ControlError, match=r"has no main\.py"):
        model_folders.add(models_dir=tmp_path, source=tmp_path)


def test_an_unknown_model_is_refused_with_the_known_ones(local_models):
    run_one(local_models)

    with pytest.raises(
        control.ControlError, match="'nobody'; the local models are mod"
    ):
        control.stop(logs_dir=local_models.logs, model_id="nobody")


def test_a_log_and_a_status_hold_nothing_that_moves_a_terminal(local_models):
    wild = "\x1b[2J\x9bmodel\r\0\u202e"
    run_one(local_models)
    assert local_models.stop() == 0
    path = local_models.logs / "model.log"
    path.write_text(f"first\n{wild}\n")
    shown = control.log_tail(logs_dir=local_models.logs, model_id="model")
    assert shown == "first\n\ufffd[2J\ufffdmodel\n\ufffd\ufffd"
    row = control.status(local_models.logs)[0]
    control.write_status(local_models.logs, [replace(row, error=wild, name=wild)])
    row = control.status(local_models.logs)[0]
    assert row.error == row.name == "\ufffd[2J\ufffdmodel\n\ufffd\ufffd"
