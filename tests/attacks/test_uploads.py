"""Hostile uploads: what an operator is talked into uploading as a model.

Through the admin's page, as it would come. What has to hold: a refusal in words,
nothing outside of the models' folder, no file left, and bounded time and disk.
"""

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tests.attacks.conftest import FULL

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

MAIN = "print('it is never run by an upload')"


def zipped(*entries, compression=zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in (("main.py", MAIN), *entries):
            archive.writestr(name, content)
    return file.getvalue()


def of_kind(kind: int, name: str = "odd") -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (kind | 0o6777) << 16
    return entry


def lying(size: int, *, real: int) -> bytes:
    """An archive whose directory gives another size than its content has."""
    packed = bytearray(zipped(("large.bin", b"0" * real)))
    at = packed.rindex(b"PK\x01\x02")
    packed[at + 24 : at + 28] = struct.pack("<I", size)
    return bytes(packed)


def overlapping(copies: int) -> bytes:
    """A bomb whose directory names one content many times."""
    packed = zipped(("a", b"0" * 2**20))
    start = packed.rindex(b"PK\x01\x02")  # of "a", the last entry
    end = packed.rindex(b"PK\x05\x06")
    entry = packed[start:end]
    names = (b"%02x" % (i % 256) for i in range(copies))
    # One name of the same length for each, over the content of the first.
    directory = b"".join(entry[:46] + name[:1] + entry[47:] for name in names)
    head = bytearray(packed[end:])
    head[8:12] = struct.pack("<HH", copies, copies)
    head[12:16] = struct.pack("<I", len(directory))
    return packed[:start] + directory + bytes(head)


# Made when they are needed: some are large.
UPLOADS: dict[str, Callable[[], list[bytes]]] = {
    "zip slip": lambda: [
        zipped((name, "x"))
        for name in (
            *("../out.py", "a/../../out.py", "..\\out.py", "/tmp/out.py", "C:\\out.py"),
            *("a/b/../../../out.py", "./../out.py", "//out.py", "\\\\host\\out.py"),
        )
    ],
    "links and devices": lambda: [
        zipped((of_kind(kind), "/etc/passwd"))
        for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK)
    ],
    "900 levels": lambda: [
        zipped(("d/" * 900 + "main.py", "x")),
        zipped(("d/" * 33 + "x", "x")),
        zipped(("d\\" * 900 + "x", "x")),
    ],
    "bombs": lambda: [
        zipped(("zeros", b"0" * 2**20), *((f"z{i}", b"0" * 2**20) for i in range(210))),
        lying(10, real=2**20),
        lying(2**32 - 1, real=10),
        overlapping(250),
        zipped(*((f"f{i}", "") for i in range(2_100))),
        zipped(("nested.zip", zipped(("zeros", b"0" * 2**20)) * 20)),
    ],
    "huge and wild names": lambda: [
        zipped((name, "x"))
        for name in ("n" * 5_000, "n" * 60_000, "\u202egpj.exe", "a\x1b[2J", "CON", ".")
    ],
    "no archive": lambda: [
        *(b"", b"PK\x03\x04", b"PK\x05\x06" + b"\xff" * 18, b"\0" * 10_000),
        zipped()[:-10],
        zipped()[: len(zipped()) // 2],
        b"MZ" + zipped(),
        zipped().replace(b"main.py", b"mai\xff.py"),
    ],
    "encrypted": lambda: [
        zipped().replace(
            b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\1\0"
        )
    ],
}
FILE_NAMES = [
    *("../../up.zip", "/etc/cron.d/x.zip", "x" * 5_000 + ".zip", "a\0b.zip", ".zip"),
    *("\u202epiz.py", "x.tar.gz", "con.zip", "a b.zip", "\U0001f600.py", ""),
]


@pytest.fixture
def models(settings, tmp_path):
    settings.LOCAL_MODELS_DIR = tmp_path / "models"
    settings.LOCAL_MODELS_DIR.mkdir()
    return settings.LOCAL_MODELS_DIR


@pytest.fixture
def upload(models, admin_user, monkeypatch, tmp_path):
    """Upload a file by the admin's page; returns the status of the answer."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    client = Client(raise_request_exception=False)
    client.force_login(admin_user)

    def post(content: bytes, name: str = "hostile.zip", model: str = "") -> int:
        file = SimpleUploadedFile("x.zip", content)
        file._name = name
        body = {"name": model, "file": file, "reason": "somebody asked me to"}
        status = client.post(reverse("admin:local-model-add"), body).status_code
        assert not list(scratch.iterdir()), "a folder of an upload is left"
        return status

    return post


def outside(models: Path) -> set[Path]:
    """What lies beside the models' folder, or in it and is no model."""
    beside = {p for p in models.parent.iterdir() if p.name not in ("models", "scratch")}
    return beside | {p for p in models.iterdir() if not (p / "main.py").is_file()}


@pytest.mark.attack(
    "uploads: zip slip, links, 900 levels, bombs, wild names, damage",
    held_by="local_models/upload.py: looked through before anything is unpacked",
)
@pytest.mark.parametrize("kind", UPLOADS)
def test_a_hostile_archive_is_refused_or_held_in_its_folder(upload, models, seen, kind):
    taken, archives = 0, UPLOADS[kind]()
    for content in archives:
        assert upload(content) in (200, 302), content[:80]
        assert outside(models) == set()
        for model in models.iterdir():
            taken += 1
            for path in model.rglob("*"):
                assert path.is_file() or path.is_dir()
                assert not path.is_symlink()
                assert not path.stat().st_mode & 0o7000
            assert sum(p.stat().st_size for p in model.rglob("*")) < 50 * 2**20
            _remove(model)
    count = len(archives)
    seen(f"{kind}: {count - taken} of {count} refused, the rest held in its folder")


@pytest.mark.attack(
    "names of uploaded files and models",
    held_by="local_models/submission.py: an id is letters, digits and dashes",
)
def test_whatever_a_file_or_a_model_is_called(upload, models, seen):
    for name in FILE_NAMES:
        assert upload(zipped(), name) in (200, 302, 400), name
        assert outside(models) == set(), name
    for model in ("../up", "/tmp/up", "a/b", "-rf", "x" * 5_000, "..", ".", "a\nb"):
        before = set(models.iterdir())
        assert upload(zipped(), model=model) == 200, model
        assert set(models.iterdir()) == before, model
    seen(f"{len(FILE_NAMES)} names of files, 8 of models: none leaves its folder")


@pytest.mark.skipif(not FULL, reason="`make attack` runs it")
@pytest.mark.attack(
    "archives damaged at every place",
    held_by="local_models/upload.py turns each refusal of zipfile into words",
)
def test_an_archive_damaged_at_every_byte(upload, models, seen):
    whole = zipped(("data/weights.bin", bytes(range(256))))
    for at in range(0, len(whole), 3):
        broken = bytearray(whole)
        broken[at] ^= 0xFF
        assert upload(bytes(broken)) in (200, 302), at
        assert outside(models) == set(), at
        for model in models.iterdir():
            _remove(model)
    seen(f"{len(whole) // 3} damages: taken or refused, no error")


def _remove(model: Path) -> None:
    from competitions.local_models.trees import remove_tree

    remove_tree(model)
