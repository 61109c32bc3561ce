"""Write files completely or not at all, with the access that the umask allows.

Readers see the old bytes or the new ones, even after a crash of the machine.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHARED, _OWN = 0o666, 0o600


@contextmanager
def replacing(path: Path, *, is_secret: bool = False) -> Iterator[Path]:
    """Yield an empty file beside `path`, and move it to `path` at the end.

    If the block raises, `path` stays as it was. Only the owner may read a secret
    (0600); other files have 0666 less the umask. Missing folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    os.close(os.open(draft, flags, _OWN if is_secret else _SHARED))
    try:
        yield draft
        _sync(draft)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def write_file(path: Path, data: bytes | str, *, is_secret: bool = False) -> None:
    """Replace the file at `path` by `data` (text as UTF-8); see `replacing`."""
    content = data.encode() if isinstance(data, str) else data
    with replacing(path, is_secret=is_secret) as draft:
        draft.write_bytes(content)


def new_folder(beside: Path) -> Path:
    """Create an empty folder with a unique hidden name next to `beside`.

    For a folder that is renamed once it is complete. Unlike with mkdtemp, the umask
    decides who may read it.
    """
    folder = beside.with_name(f".{beside.name}.{secrets.token_hex(4)}")
    folder.mkdir(parents=True)
    return folder


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
