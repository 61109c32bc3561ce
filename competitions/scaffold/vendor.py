"""Copy the engine into a node, with the digest of every file."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from django.conf import settings

PACKAGES = (
    *("core", "feeds", "proofs", "competitions", "scoring", "emissions", "livepool"),
    *("crunchsite", "templates", "requirements"),
)
FILES = (
    *("manage.py", "coordinator", "pyproject.toml", "Makefile"),
    *("README.md", "LICENSE"),
)
VERSION_FILE = "VERSION.json"
SHARED_FILE = "SHARED.json"
_LEFT_OUT = ("__pycache__", "*.pyc", "workspace")


def copy_engine(target: Path) -> None:
    """Copy the engine to `target`, and write VERSION.json: version and digests."""
    source = settings.BASE_DIR
    ignore = shutil.ignore_patterns(*_LEFT_OUT)
    for name in PACKAGES:
        shutil.copytree(source / name, target / name, ignore=ignore)
    for name in FILES:
        if (source / name).exists():
            shutil.copy2(source / name, target / name)
    digests = dict(digests_of(target))
    document = {"version": engine_version(), "files": digests}
    (target / VERSION_FILE).write_text(json.dumps(document, indent=1) + "\n")


def shared_digests(shared: Mapping[str, str]) -> str:
    """Return what SHARED.json says: the digests of a public package's engine files.

    `shared` is path in the workspace to text.
    """
    digests = {path: sha256_of(text.encode()) for path, text in sorted(shared.items())}
    return json.dumps(digests, indent=1) + "\n"


def digests_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield path and SHA-256 of each file below a folder, sorted by path."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in (VERSION_FILE, SHARED_FILE):
            digest = sha256_of(path.read_bytes())
            yield path.relative_to(folder).as_posix(), digest


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def engine_version() -> str:
    try:
        return version("crunchsite")
    except PackageNotFoundError:
        text = (settings.BASE_DIR / "pyproject.toml").read_text()
        line = next(line for line in text.splitlines() if line.startswith("version"))
        return line.split('"')[1]


def tracker() -> str:
    """Return the source of the base class that participants' models subclass."""
    return engine_file("competitions/local_models/participant/tracker.py")


def engine_file(path: str) -> str:
    """Return the text of a file of this engine."""
    return (settings.BASE_DIR / path).read_text(encoding="utf-8")
