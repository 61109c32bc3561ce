"""Read a model's folder: `main.py`, other files, perhaps a `model.json`."""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from competitions.local_models.trees import open_plain, plain_files
from core.parsing import LARGEST_BYTES, JsonError, parse_json
from core.texts import brief, one_line

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
    """Return model folders by id, sorted; names that cannot be an id are skipped."""
    if not models_dir.is_dir():
        return {}
    return {
        path.name: path
        for path in sorted(models_dir.iterdir())
        if path.is_dir() and is_model_id(path.name)
    }


def stamp(folder: Path) -> Stamp:
    """Return a value that changes when a file does; cheap enough for each scan."""
    found = []
    for path in plain_files(folder):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found.append(
            (str(path.relative_to(folder)), status.st_mtime_ns, status.st_size)
        )
    return tuple(found)


def read(folder: Path) -> Submission:
    """Read a folder; an invalid `model.json` is ignored."""
    digest = hashlib.sha256()
    for path in plain_files(folder):
        try:
            with open_plain(path) as file:
                content = hashlib.file_digest(file, "sha256").digest()
        except FileNotFoundError:
            continue
        digest.update(os.fsencode(path.relative_to(folder)) + b"\0")
        digest.update(content)
    about = _about(folder / "model.json")
    return Submission(
        model_id=folder.name,
        path=folder,
        name=_name(about.get("name", folder.name)),
        cruncher=cruncher_of(folder),
        code_hash=digest.hexdigest(),
    )


def cruncher_of(folder: Path) -> str:
    """Return whose a folder's model is."""
    return _name(_about(folder / "model.json").get("cruncher", folder.name))


def assign(folder: Path, cruncher: str) -> None:
    """Write into a folder's `model.json` whose the model is; its name stays."""
    path = folder / "model.json"
    about = {**_about(path), "cruncher": cruncher}
    path.unlink(missing_ok=True)  # never the target of a link in its place
    path.write_text(json.dumps(about))


def _about(path: Path) -> dict[str, Any]:
    """Return the content of `model.json`; empty when it is missing or invalid."""
    try:
        with open_plain(path) as file:
            about = parse_json(file.read(LARGEST_BYTES + 1))
    except (OSError, JsonError):
        return {}
    return about if isinstance(about, dict) else {}


def _name(value: Any) -> str:
    text = value if isinstance(value, str) else brief(value)
    return one_line(text, limit=LONGEST_NAME)
