"""Folders that a model has filled are looked through and removed all the same."""

import errno
import fcntl
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from competitions.local_models import submission
from competitions.local_models.control import ControlError
from competitions.local_models.launch import Limits
from competitions.local_models.model_folders import add
from competitions.local_models.orchestrator import Orchestrator
from competitions.local_models.trees import (
    OwnedFolder,
    plain_files,
    remove_tree,
    scratch_folder,
)
from core.texts import readable
from tests.competitions.gateway.conftest import STEADY
from tests.fakes.texts import JSON


def nest(folder, levels):
    """So many folders in each other; a path may be longer than the system takes."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def a_model(folder, **about):
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(STEADY)
    if about:
        (folder / "model.json").write_text(json.dumps(about))
    return folder


@pytest.mark.parametrize("levels", [0, 31, 1_500])
def test_a_tree_of_any_depth_is_removed(tmp_path, levels):
    with scratch_folder("x-", parent=tmp_path) as folder:
        nest(folder, levels)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_removed_already(tmp_path):
    remove_tree(tmp_path / "none")


def test_a_folder_that_is_too_deep_is_refused_in_words(tmp_path):
    a_model(tmp_path / "model")
    nest(tmp_path / "model", 40)
    with pytest.raises(OSError, match="deeper than 32 levels"):
        plain_files(tmp_path / "model")
    with pytest.raises(ControlError, match="cannot be copied: folders are nested"):
        add(models_dir=tmp_path, source=tmp_path / "model", model_id="copy")
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 70_000, '{"name": ', "7", "\0"])
def test_a_senseless_model_json_counts_as_none(tmp_path, text):
    (a_model(tmp_path / "model") / "model.json").write_text(text)
    assert submission.read(tmp_path / "model").name == "model"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a\0b\x1b[2J", "a\ufffdb\ufffd[2J"),
        ("two\nlines", "two lines"),
        ("\ud800", "\ufffd"),
        ("x" * 10_000, "x" * 119 + "…"),
        ([1, 2], "[1, 2]"),
        (None, "None"),
    ],
)
def test_a_name_is_one_readable_line(tmp_path, name, kept):
    found = submission.read(a_model(tmp_path / "model", name=name, cruncher=name))
    assert (found.name, found.cruncher) == (kept, kept)


@settings(max_examples=100)
@given(name=JSON, data=st.binary() | st.none())
def test_whatever_a_model_json_says_a_model_has_a_short_name(name, data):
    text = json.dumps({"name": name, "cruncher": name}).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = a_model(Path(folder) / "model")
        (path / "model.json").write_bytes(text if data is None else data)
        found = submission.read(path)
    for kept in (found.name, found.cruncher):
        assert readable(kept, limit=120) == kept


def test_a_file_whose_name_is_no_unicode_hides_no_model(tmp_path):
    folder = a_model(tmp_path / "model")
    (folder / os.fsdecode(b"\xff.txt")).write_text("x")
    assert len(submission.read(folder).code_hash) == 64


def test_a_folder_that_is_too_deep_hides_no_other(tmp_path):
    models = tmp_path / "models"
    a_model(models / "good")
    nest(a_model(models / "deep"), 1_500)
    orchestrator = Orchestrator(
        models_dir=models, logs_dir=tmp_path / "logs", crunch_id="t", limits=Limits()
    )
    found = orchestrator._read_folders()
    assert found["good"][1].model_id == "good"
    assert found["deep"][1] is None
    remove_tree(models)


def test_folders_of_processes_that_were_killed_are_removed_by_the_next(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    living = OwnedFolder("x-")
    killed = tmp_path / "x-killed"
    (killed / "1").mkdir(parents=True)
    for other in ("y-another", "x-file"):
        (tmp_path / other).touch()
    (tmp_path / "x-link").symlink_to(tmp_path / "y-another")

    one = OwnedFolder("x-")

    left = {path.name for path in tmp_path.iterdir()}
    assert left == {living.path.name, one.path.name, "y-another", "x-file", "x-link"}
    one.remove()
    living.remove()
    assert not living.path.exists()


def test_where_there_are_no_locks_no_folder_is_taken_for_an_orphan(
    tmp_path, monkeypatch
):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with scratch_folder("x-", parent=tmp_path) as one:
        with scratch_folder("x-", parent=tmp_path) as other:
            assert {one, other} == set(tmp_path.iterdir())
        assert list(tmp_path.iterdir()) == [one]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_a_model_json_that_is_no_plain_file_counts_as_none(tmp_path, kind):
    """A pipe would be waited for, by everybody; a link would show its target's text."""
    folder = a_model(tmp_path / "model")
    (tmp_path / "other.json").write_text('{"name": "other"}')
    about = folder / "model.json"
    match kind:
        case "pipe":
            os.mkfifo(about)
        case "link":
            about.symlink_to(tmp_path / "other.json")
        case "folder":
            about.mkdir()

    assert submission.read(folder).name == "model"
