"""An uploaded model becomes a folder of its own, and nothing else."""

import contextlib
import io
import stat
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from competitions.local_models import model_folders, submission, upload
from competitions.local_models.control import ControlError
from competitions.local_models.submission import is_model_id
from competitions.local_models.trees import plain_files
from competitions.local_models.upload import add_upload
from tests.competitions.gateway.conftest import STEADY
from tests.fakes.texts import ANY_TEXT


@pytest.fixture
def models_dir(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def zipped(entries, compression=zipfile.ZIP_DEFLATED):
    """A zip of (name or ZipInfo, content) pairs."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    file.seek(0)
    return file


def files_of(folder):
    return {
        str(p.relative_to(folder)): p.read_text()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_a_single_file_is_a_model_named_by_it(models_dir):
    file = io.BytesIO(STEADY.encode())

    assert (
        add_upload(models_dir=models_dir, file=file, file_name="steady.py") == "steady"
    )
    assert files_of(models_dir) == {"steady/main.py": STEADY}


def test_a_name_that_is_taken_while_the_file_is_copied_is_refused(
    models_dir, monkeypatch
):
    def overtaken(source):
        (models_dir / "steady").mkdir()
        (models_dir / "steady" / "main.py").write_text("first")
        return plain_files(source)

    monkeypatch.setattr(model_folders, "plain_files", overtaken)
    file = io.BytesIO(STEADY.encode())
    with pytest.raises(ControlError, match="'steady', which is taken"):
        add_upload(models_dir=models_dir, file=file, file_name="steady.py")
    assert files_of(models_dir) == {"steady/main.py": "first"}


@pytest.mark.parametrize("prefix", ["", "my-model/"])
def test_a_zip_is_taken_with_or_without_its_folder(models_dir, prefix):
    file = zipped([(f"{prefix}main.py", STEADY), (f"{prefix}data/w.txt", "1 2")])

    added = add_upload(
        models_dir=models_dir, file=file, file_name="Any.zip", model_id="mine"
    )

    assert added == "mine"
    assert files_of(models_dir) == {"mine/main.py": STEADY, "mine/data/w.txt": "1 2"}


@pytest.mark.parametrize("prefix", ["", "my-model/"])
def test_what_the_hash_leaves_out_is_not_taken(models_dir, prefix):
    """Hidden files and caches: code in them would run under the hash of other code."""
    seen = [(f"{prefix}main.py", STEADY), (f"{prefix}data/w.txt", "1 2")]
    unseen = [
        *((f"{prefix}.later/plan.py", "x"), (f"{prefix}data/.w.txt", "3")),
        *((f"{prefix}__pycache__/main.pyc", "x"), (".DS_Store", "x")),
    ]
    hashes = set()
    for name, entries in (("plain", seen), ("mixed", seen + unseen)):
        file = zipped(entries)
        add_upload(models_dir=models_dir, file=file, file_name=f"{name}.zip")
        assert set(files_of(models_dir / name)) == {"main.py", "data/w.txt"}
        hashes.add(submission.read(models_dir / name).code_hash)
    assert len(hashes) == 1


def link(name, target):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry, target


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("../up.py", "x")], r"zip held '../up.py'"),
        ([("a/../../up.py", "x")], "only files and folders inside"),
        ([("..\\up.py", "x")], "only files and folders inside"),
        ([("/etc/cron.d/x", "x")], "zip held '/etc/cron.d/x'"),
        ([link("weights", "/etc/shadow")], "zip held 'weights'"),
        ([("model.txt", "x")], r"has no main\.py"),
        ([("a/main.py", "x"), ("b/main.py", "y")], r"has no main\.py"),
        ([(f"f{i}", "") for i in range(2_001)], "at most 2000 files"),
        ([("main.py", "0" * 2**21)], "of 2 MiB in all; at most"),
    ],
)
def test_a_zip_that_is_no_model_is_refused_and_leaves_nothing(
    models_dir, tmp_path, monkeypatch, entries, message
):
    monkeypatch.setattr(upload, "LARGEST_MODEL_BYTES", 2**20)
    file = zipped(entries)

    with pytest.raises(ControlError, match=message):
        add_upload(models_dir=models_dir, file=file, file_name="bad.zip")

    assert list(tmp_path.rglob("*")) == [models_dir]


def test_what_is_no_zip_is_refused(models_dir):
    with pytest.raises(ControlError, match=r"give a main\.py, or a zip"):
        add_upload(models_dir=models_dir, file=io.BytesIO(b"text"), file_name="x.zip")


def test_a_zip_that_lies_about_its_size_is_refused(models_dir):
    packed = bytearray(zipped([("main.py", "0" * 100_000)]).getvalue())
    at = packed.index(b"PK\x01\x02")
    packed[at + 24 : at + 28] = (10).to_bytes(4, "little")

    with pytest.raises(ControlError, match="no zip that can be unpacked"):
        add_upload(
            models_dir=models_dir, file=io.BytesIO(bytes(packed)), file_name="x.zip"
        )


DAMAGES = st.lists(st.tuples(st.integers(min_value=0), st.integers(1, 255)), max_size=4)


@settings(max_examples=100)
@given(
    compression=st.sampled_from([0, 8, 12, 14]),
    damages=DAMAGES,
    missing=st.integers(0, 50),
)
def test_a_damaged_zip_is_taken_or_refused(compression, damages, missing):
    packed = bytearray(zipped([("main.py", STEADY)], compression).getvalue())
    for at, change in damages:
        packed[at % len(packed)] ^= change
    file = io.BytesIO(packed[: len(packed) - missing])

    with tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(ControlError):
            add_upload(models_dir=Path(folder), file=file, file_name="x.zip")
        assert {path.name for path in Path(folder).iterdir()} <= {"x"}


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_byte_flipped_in_the_content_is_refused(models_dir, compression):
    packed = bytearray(zipped([("main.py", STEADY)], compression).getvalue())
    packed[60] ^= 0xFF

    with pytest.raises(ControlError, match="no zip that can be unpacked"):
        add_upload(models_dir=models_dir, file=io.BytesIO(packed), file_name="x.zip")

    assert list(models_dir.iterdir()) == []


@pytest.mark.parametrize("name", ["../up", ".hidden", "two words"])
def test_a_name_that_is_no_id_is_refused(models_dir, name):
    with pytest.raises(ControlError, match="model name was"):
        add_upload(
            models_dir=models_dir,
            file=io.BytesIO(STEADY.encode()),
            file_name="x.py",
            model_id=name,
        )
    assert list(models_dir.iterdir()) == []


@settings(max_examples=100)
@given(name=ANY_TEXT)
def test_whatever_an_entry_is_called_it_is_taken_or_refused_in_short(name):
    encodable = name.encode(errors="replace").decode()[:60_000]
    file = zipped([("main.py", STEADY), (f"x{encodable}", "1")])
    said = ""
    with tempfile.TemporaryDirectory() as folder:
        try:
            add_upload(models_dir=Path(folder), file=file, file_name="x.zip")
        except ControlError as refused:
            said = str(refused)
    assert len(said) < 1_000


@settings(max_examples=100)
@given(name=ANY_TEXT)
def test_whatever_a_file_is_called_its_model_has_an_id_or_is_refused(name):
    file = io.BytesIO(STEADY.encode())
    added, said = "a", ""
    with tempfile.TemporaryDirectory() as folder:
        try:
            added = add_upload(
                models_dir=Path(folder), file=file, file_name=f"{name}.py"
            )
        except ControlError as refused:
            said = str(refused)
    assert is_model_id(added)
    assert len(said) < 1_000


def test_a_zip_that_is_too_deep_is_refused_in_short(models_dir):
    deep = "d/" * 900 + "main.py"
    with pytest.raises(ControlError, match="901 levels deep; at most 32") as refused:
        add_upload(models_dir=models_dir, file=zipped([(deep, "x")]), file_name="x.zip")
    assert len(str(refused.value)) < 500
