"""Lay the pure rules of the site into a public package, as they are, with a digest."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.conf import settings

from competitions.scaffold.vendor import engine_version

FOLDER = "_engine"
DIGEST_FILE = "DIGEST.json"
# Folder or file in the package -> the same on the site. All of a folder is taken.
ROOMS: Mapping[str, str] = {
    "rules": "competitions/shared",
    "trading": "competitions/trading",
    "tlog": "core/tlog",
}
FILES: Mapping[str, str] = {
    "grid.py": "core/grid.py",
    "rounding.py": "core/rounding.py",
    "texts.py": "core/texts.py",
    **{
        f"metrics/{name}.py": f"scoring/metrics/{name}.py"
        for name in ("builtins", "context", "parts", "ranks")
    },
}
# Written here: the site's own packages have more in them.
_INITS = {
    "__init__.py": '"""The rules of the site, as they are. Change nothing here."""\n',
    "metrics/__init__.py": '"""The metrics of the boards."""\n',
}


def engine_files() -> dict[str, str]:
    """Return the text of each file of a package's `_engine/`, by its path there.

    `DIGEST.json` has the SHA-256 of every file and one of them all: the same digest is
    the same rules.
    """
    found = dict(_INITS)
    for path, source in _sources():
        found[path] = source.read_text(encoding="utf-8")
    digests = {
        path: hashlib.sha256(text.encode()).hexdigest()
        for path, text in sorted(found.items())
    }
    whole = "".join(f"{digest}  {path}\n" for path, digest in digests.items())
    document = {
        "version": engine_version(),
        "digest": hashlib.sha256(whole.encode()).hexdigest(),
        "files": digests,
    }
    return {**found, DIGEST_FILE: json.dumps(document, indent=1) + "\n"}


def paths() -> list[str]:
    """Return the path of every file of `_engine/`, below the package."""
    names = [*_INITS, *(path for path, _ in _sources()), DIGEST_FILE]
    return sorted(f"{FOLDER}/{name}" for name in names)


def _sources() -> Iterator[tuple[str, Path]]:
    for path, source in FILES.items():
        yield path, settings.BASE_DIR / source
    for room, folder in ROOMS.items():
        for file in sorted((settings.BASE_DIR / folder).glob("*.py")):
            yield f"{room}/{file.name}", file
