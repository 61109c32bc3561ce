"""Read files and JSON of a bounded size, and replace files atomically."""

import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .live_pool import PoolError
from .messages import explain

# Far above any release; larger files are not read or decoded.
MOST_BYTES = 4 * 1024 * 1024


def reader_of(folder: Path) -> Callable[[str], bytes]:
    """Return a function that reads a plain file of `folder` by its name."""

    def read(name: str) -> bytes:
        path = folder / name
        data = b""
        try:
            # Checked first: opening a pipe would wait for a writer.
            is_plain = stat.S_ISREG(path.stat().st_mode)
            if is_plain:
                with path.open("rb") as file:
                    data = file.read(MOST_BYTES + 1)
        except (OSError, ValueError) as error:
            raise PoolError(f"{name} cannot be read: {explain(error)}") from error
        if not is_plain:
            raise PoolError(f"{name} is not a regular file")
        if len(data) > MOST_BYTES:
            raise PoolError(f"{name} is larger than {MOST_BYTES} bytes")
        return data

    return read


def read_object(path: Path) -> dict[str, Any]:
    """Read the JSON object in a file. Raises PoolError."""
    return parse_object(reader_of(path.parent)(path.name), path.name)


def parse_object(data: bytes, name: str) -> dict[str, Any]:
    """Parse a JSON object strictly: no duplicate keys, no NaN, bounded depth."""
    try:
        value = json.loads(
            data, object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise PoolError(f"{name} is not valid JSON: {explain(error)}") from None
    if not isinstance(value, dict):
        raise PoolError(f"{name} must hold an object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        raise ValueError("a key is named twice")
    return whole


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def replace_file(path: Path, data: bytes) -> None:
    """Replace the file atomically: if the reader dies half-way, the old one remains."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
