"""List and remove folders that strangers fill, however deeply nested."""

import errno
import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

DEEPEST_FOLDER = 32


def is_left_out(name: str) -> bool:
    """Return whether a file or folder of this name is no part of a model."""
    return name.startswith(".") or name == "__pycache__"


def plain_files(folder: Path) -> list[Path]:
    """List the files below a folder, sorted; no caches, hidden files or links.

    Raises OSError when folders are nested deeper than any model needs.
    """
    return sorted(_files(folder, 0))


def _files(folder: Path, depth: int) -> Iterator[Path]:
    if depth > DEEPEST_FOLDER:
        raise OSError(f"folders are nested deeper than {DEEPEST_FOLDER} levels")
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_left_out(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), depth + 1)
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def open_plain(path: Path) -> BufferedReader:
    """Open a regular file to read; raises OSError for links, pipes and all else.

    A pipe would block until somebody writes; a link would choose what is read.
    """
    file = open(path, "rb", opener=open_itself)  # noqa: SIM115  the caller's
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def open_itself(path: str, flags: int) -> int:
    """Open a path itself, never a link's target, without blocking."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


@contextmanager
def scratch_folder(prefix: str, *, parent: Path | None = None) -> Iterator[Path]:
    """Make a temporary folder; remove it afterwards with everything in it.

    That of a process that was killed is removed by the next of its prefix.
    """
    folder = OwnedFolder(prefix, parent=parent)
    try:
        yield folder.path
    finally:
        folder.remove()


def take_away(folder: Path) -> None:
    """Delete a folder at once, so that nobody finds a part of it; raises OSError."""
    with scratch_folder(".removing-", parent=folder.parent) as trash:
        folder.rename(trash / folder.name)


class OwnedFolder:
    """Make a temporary folder that is removed even if its process is killed.

    It is locked while the process lives. Making one removes those of the same prefix
    and user whose process is gone.
    """

    def __init__(self, prefix: str, *, parent: Path | None = None) -> None:
        place = parent or Path(tempfile.gettempdir())
        for folder in place.glob(f"{prefix}*"):
            _remove_orphan(folder)
        self._lock: int | None = None
        with suppress(_NoLocksError):
            while self._lock is None:  # another start may have taken it for an orphan
                self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
                self._lock = _lock(self.path)

    def remove(self) -> None:
        remove_tree(self.path)
        if self._lock is not None:
            os.close(self._lock)


class _NoLocksError(Exception):
    """The file system has no locks, so that nothing there is taken for an orphan."""


def _remove_orphan(folder: Path) -> None:
    with suppress(_NoLocksError):
        if (lock := _lock(folder)) is not None:
            remove_tree(folder)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder of this user; None where it is another's, locked or gone.

    Raises _NoLocksError where there are no locks.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError as error:
        os.close(handle)
        raise _NoLocksError from error
    is_ours = os.fstat(handle).st_uid == os.geteuid()
    if not is_ours or not os.path.lexists(folder):
        os.close(handle)
        return None
    return handle


def remove_tree(folder: Path) -> None:
    """Delete a folder with its content; leave what cannot be deleted.

    Python's own function fails in the middle of a tree that is deeper than its stack.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        subprocess.run(
            ["rm", "-rf", "--one-file-system", "--", str(folder)],
            check=False,
            stderr=subprocess.DEVNULL,
        )
