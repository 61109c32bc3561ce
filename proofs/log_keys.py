"""The private keys that sign the log: in a file for its owner only, or LOG_KEY.

A line is a key in the form of golang.org/x/mod/sumdb/note: `PRIVATE+KEY+name+id+data`.
The name is the log's origin. All keys of the file sign: there are two while one
replaces the other.
"""

import re
import stat
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from core.files import write_file
from core.tlog.errors import LogFormatError
from core.tlog.note import ED25519, Signer, decode_base64, encode_base64
from proofs.errors import LogKeyError

_LINE = re.compile(r"PRIVATE\+KEY\+([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)")
_MAKE = "make one with `manage.py log_key create`"


def key_file() -> Path:
    """Return the file of the key; the last signed head is kept beside it."""
    given = settings.ENV.log_key_file
    return Path(given) if given else settings.VAR_DIR / "proofs" / "log_key"


def has_key() -> bool:
    """Return whether a key was given or made, usable or not."""
    return bool(settings.ENV.log_key) or key_file().exists()


def signers() -> list[Signer]:
    """Return the signers, the newest first; raises LogKeyError when there is none."""
    if given := settings.ENV.log_key:
        return _parsed(given, "LOG_KEY")
    path = key_file()
    try:
        mode = path.stat().st_mode
        text = path.read_text()
    except FileNotFoundError:
        raise LogKeyError(f"the log has no key: {path} is missing; {_MAKE}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise LogKeyError(
            f"the log's key cannot be read from {path}: {error}"
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise LogKeyError(
            f"others may read the log's key: {path} has the mode "
            f"{stat.S_IMODE(mode):04o}; make it 0600."
        )
    return _parsed(text, str(path))


def new_key(origin: str) -> str:
    """Return the line of a new key for the log `origin`; raises LogKeyError."""
    private = Ed25519PrivateKey.generate().private_bytes_raw()
    try:
        key = Signer(origin, private).key
    except LogFormatError as error:
        raise LogKeyError(f"the origin was {origin!r}: {error}.") from None
    data = encode_base64(bytes([ED25519]) + private)
    return f"PRIVATE+KEY+{origin}+{key.key_id.hex()}+{data}"


def read_lines() -> list[str]:
    """Return the lines of the key file."""
    return key_file().read_text().split()


def write_lines(lines: Sequence[str]) -> None:
    """Replace the key file, whole or not at all, for its owner only."""
    write_file(key_file(), "\n".join([*lines, ""]), is_secret=True)


def ensure_key(origin: str) -> bool:
    """Make a key unless there is one; return whether one was made."""
    if has_key():
        return False
    write_lines([new_key(origin)])
    return True


def _parsed(text: str, where: str) -> list[Signer]:
    found = [_signer(line, where) for line in text.split()]
    if not found:
        raise LogKeyError(f"{where} holds no key; {_MAKE}.")
    if len({signer.key.name for signer in found}) > 1:
        raise LogKeyError(f"the keys in {where} have different names; keep one log's.")
    return found


def _signer(line: str, where: str) -> Signer:
    problem = LogKeyError(
        f"{where} holds something else than a key (PRIVATE+KEY+name+id+data); restore "
        f"it, or {_MAKE}."
    )
    match = _LINE.fullmatch(line)
    if match is None:
        raise problem
    name, key_id, encoded = match.groups()
    try:
        data = decode_base64(encoded)
        if len(data) != 33 or data[0] != ED25519:
            raise problem
        signer = Signer(name, data[1:])
    except LogFormatError:
        raise problem from None
    if signer.key.key_id.hex() != key_id:
        raise problem
    return signer
