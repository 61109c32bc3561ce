"""Folders that strangers fill: looked through and removed, however deep they are."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEEPEST_FOLDER = 32


def plain_files(folder: Path) -> list[Path]:
    """Files below a folder, sorted; no caches, hidden files and links.

    Raises OSError when folders lie in each other deeper than any model needs.
    """
    return sorted(_files(folder, 0))


def _files(folder: Path, depth: int) -> Iterator[Path]:
    if depth > DEEPEST_FOLDER:
        raise OSError(f"folders lie in each other deeper than {DEEPEST_FOLDER} levels")
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__pycache__":
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), depth + 1)
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


@contextmanager
def scratch_folder(prefix: str, *, parent: Path | None = None) -> Iterator[Path]:
    """A folder of its own that is gone afterwards, whatever was put into it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        yield folder
    finally:
        remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Delete a folder and all in it; what cannot be deleted stays.

    Python's own gives up in the middle of a tree that is deeper than its stack.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        subprocess.run(
            ["rm", "-rf", "--one-file-system", "--", str(folder)],
            check=False,
            stderr=subprocess.DEVNULL,
        )
