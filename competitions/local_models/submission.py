"""A model's folder: `main.py`, anything it needs, and perhaps a `model.json`."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
LONGEST_NAME = 120
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Submission:
    """One version of a model: the folder's content at one moment."""

    model_id: str
    path: Path
    name: str
    cruncher: str
    code_hash: str


def is_model_id(name: str) -> bool:
    return _MODEL_ID.fullmatch(name) is not None


def folders(models_dir: Path) -> dict[str, Path]:
    """Model folders by id, sorted; names that cannot be an id are passed over."""
    if not models_dir.is_dir():
        return {}
    return {
        path.name: path
        for path in sorted(models_dir.iterdir())
        if path.is_dir() and is_model_id(path.name)
    }


def stamp(folder: Path) -> Stamp:
    """What changes when a file does: cheap enough to look at twice a second."""
    found = []
    for path in _files(folder):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found.append(
            (str(path.relative_to(folder)), status.st_mtime_ns, status.st_size)
        )
    return tuple(found)


def read(folder: Path) -> Submission:
    """Read a folder; a broken `model.json` counts as none."""
    digest = hashlib.sha256()
    for path in _files(folder):
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
        except FileNotFoundError:
            continue
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(content)
    try:
        about = json.loads((folder / "model.json").read_text())
    except (OSError, ValueError):
        about = {}
    if not isinstance(about, dict):
        about = {}
    return Submission(
        model_id=folder.name,
        path=folder,
        name=str(about.get("name", folder.name))[:LONGEST_NAME],
        cruncher=str(about.get("cruncher", folder.name))[:LONGEST_NAME],
        code_hash=digest.hexdigest(),
    )


def _files(folder: Path) -> list[Path]:
    """Files of a submission, sorted; without caches, hidden files and links."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and not any(
            part.startswith(".") or part == "__pycache__"
            for part in path.relative_to(folder).parts
        )
    ]
