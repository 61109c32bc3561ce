"""The files of one release: their bytes, and their content, parsed once."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from livepool import artifacts
from livepool.artifacts import (
    FILES,
    RANKING_COLUMNS,
    RELEASE_MANIFEST,
    PoolPayload,
    UniversePayload,
)


class UnreadableError(ValueError):
    """A file cannot be read as what its name says; the message names it."""


class ReleaseFiles:
    """Bytes by file name, in `data`, and each file's content on demand.

    The content is valid only after `rules.validate` found no error.
    """

    def __init__(self, data: Mapping[str, bytes]) -> None:
        self.data = dict(data)
        self._objects: dict[str, dict[str, Any]] = {}
        self._rows: list[dict[str, str]] | None = None

    @classmethod
    def read(cls, folder: Path) -> "ReleaseFiles":
        """Read the files of a folder, with the release manifest if there is one."""
        files = artifacts.read_files(folder)
        release_manifest = folder / RELEASE_MANIFEST
        if release_manifest.is_file():
            files[RELEASE_MANIFEST] = release_manifest.read_bytes()
        return cls(files)

    @property
    def pool(self) -> PoolPayload:
        return cast("PoolPayload", self.json(FILES["live_pool"]))

    @property
    def universe(self) -> UniversePayload:
        return cast("UniversePayload", self.json(FILES["latest_universe"]))

    def json(self, name: str) -> dict[str, Any]:
        """Return the object in a file. Raises UnreadableError."""
        if name not in self._objects:
            self._objects[name] = _parse_object(self.data[name], name)
        return self._objects[name]

    def ranking(self) -> list[dict[str, str]]:
        """Return the rows of the ranking as text. Raises UnreadableError."""
        if self._rows is None:
            name = FILES["latest_ranking"]
            self._rows = _parse_rows(self.data[name], name)
        return self._rows

    def checksums(self) -> dict[str, str]:
        """Return SHA-256 by file name."""
        return {name: artifacts.sha256(self.data[name]) for name in sorted(self.data)}


def _parse_object(data: bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{name} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise UnreadableError(f"{name} must be an object, was {type(value).__name__}")
    return value


def _parse_rows(data: bytes, name: str) -> list[dict[str, str]]:
    try:
        text = data.decode()
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = list(reader)
    except (ValueError, csv.Error) as error:
        raise UnreadableError(f"{name} cannot be read: {error}") from None
    missing = [c for c in RANKING_COLUMNS if c not in (reader.fieldnames or ())]
    if missing:
        raise UnreadableError(f"{name} lacks the columns {', '.join(missing)}")
    if not rows:
        raise UnreadableError(f"{name} has no rows")
    return [{k: v or "" for k, v in row.items() if k} for row in rows]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")
