"""Store releases and the document in a folder: the embedded default.

A release's files live in a folder named by their digest and never change. A version
and `current` are symbolic links to such folders, swapped in one step, so a reader who
resolves the link once sees one release.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.files import new_folder, write_file
from core.parsing import JsonError, parse_json
from livepool import artifacts
from livepool.stores import ROOT_PREFIX, ConflictError, Document, StoreError


def digest(files: Mapping[str, bytes]) -> str:
    """Return one digest over names and bytes, whatever their order."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name} {artifacts.sha256(files[name])}\n".encode())
    return whole.hexdigest()[:16]


class LocalReleaseStore:
    """`<folder>/<prefix>/{objects,releases,archive,current}`."""

    def __init__(self, folder: Path, prefix: str = ROOT_PREFIX) -> None:
        self.root = folder.resolve() / prefix

    def uri(self, path: str = "") -> str:
        return (self.root / path).as_uri()

    def read_release(self, version: str) -> dict[str, bytes]:
        return self._read(self.root / "releases" / version)

    def create_release(self, version: str, files: Mapping[str, bytes]) -> None:
        link = self.root / "releases" / version
        if link.is_symlink():
            if self._read(link) != files:
                raise ConflictError(f"{version} is there with other bytes")
            return
        target = self._keep(files)
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            link.symlink_to(os.path.relpath(target, link.parent))
        except FileExistsError:
            raise ConflictError(f"{version} was created by somebody else") from None
        self._verify(link, files)

    def replace_release(self, version: str, files: Mapping[str, bytes]) -> str:
        link = self.root / "releases" / version
        archived = self.root / "archive" / version / link.resolve(strict=True).name
        self._link(archived, link.resolve())
        self._link(link, self._keep(files))
        self._verify(link, files)
        return archived.as_uri()

    def point_current(self, version: str, files: Mapping[str, bytes]) -> None:
        self._link(self.root / "current", self._keep(files))
        self._verify(self.root / "current", files)

    def _read(self, link: Path) -> dict[str, bytes]:
        return artifacts.read_files(link.resolve()) if link.exists() else {}

    def _verify(self, link: Path, files: Mapping[str, bytes]) -> None:
        if self._read(link) != files:
            raise StoreError(
                f"{link} does not contain what was written; check the disk"
            )

    def _keep(self, files: Mapping[str, bytes]) -> Path:
        """Return the folder with exactly these files, written whole or not at all."""
        target = self.root / "objects" / digest(files)
        if target.is_dir():
            return target
        for leftover in target.parent.glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = new_folder(target)
        artifacts.write_files(fresh, files)
        fresh.rename(target)
        return target

    def _link(self, link: Path, target: Path) -> None:
        link.parent.mkdir(parents=True, exist_ok=True)
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.path.relpath(target, link.parent))
        fresh.replace(link)


class LocalDocumentStore:
    """`<folder>/documents/<collection>/<document>.json`, replaced under a lock."""

    def __init__(self, folder: Path, collection: str, document: str) -> None:
        self._address = collection, document
        self.path = folder / "documents" / collection / f"{document}.json"

    def address(self) -> tuple[str, str]:
        return self._address

    def read(self) -> Document | None:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            payload = parse_json(data)
        except JsonError as error:
            raise StoreError(f"{self.path} is not valid JSON: it {error}") from None
        if not isinstance(payload, dict):
            raise StoreError(f"{self.path} must hold an object; restore or remove it")
        return Document(payload, artifacts.sha256(data))

    def write(self, payload: Mapping[str, Any], *, expected: Document | None) -> None:
        with self._locked():
            found = self.read()
            if (found and found.token) != (expected and expected.token):
                raise ConflictError(f"{self.path} has changed since it was read")
            write_file(self.path, artifacts.to_json(dict(payload)))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
