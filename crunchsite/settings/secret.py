"""The secret key: given by the operator, or made once and kept."""

import secrets
from contextlib import suppress
from pathlib import Path

from crunchsite.settings.env import Env


def secret_key(env: Env) -> str:
    if env.secret_key:
        return env.secret_key
    return kept_secret(env.var / "secret_key")


def kept_secret(path: Path) -> str:
    """Read the secret in `path`; the first caller makes it, readable by its owner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        draft = path.with_suffix(f".{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        try:
            path.hardlink_to(draft)  # atomic: a reader sees the whole key or no file
        finally:
            draft.unlink()
    return path.read_text()
