"""The secret key: given by the operator, or made once and stored."""

import secrets
from contextlib import suppress
from pathlib import Path

from crunchsite.settings.env import Env, EnvError

# Django's own check asks for as many.
SHORTEST = 50


def secret_key(env: Env) -> str:
    """Return SECRET_KEY, else the stored one; EnvError for one easily guessed."""
    if env.secret_key:
        if len(env.secret_key) < SHORTEST or len(set(env.secret_key)) < 5:
            raise EnvError(
                f"SECRET_KEY was {len(env.secret_key)} characters; give at least "
                f"{SHORTEST} random ones: "
                "python -c 'import secrets; print(secrets.token_urlsafe(48))'."
            )
        return env.secret_key
    try:
        return kept_secret(env.var / "secret_key")
    except OSError as error:
        raise EnvError(
            f"VAR_DIR was {env.var}, which cannot be used ({error.strerror})."
        ) from None


def kept_secret(path: Path, *, length: int = 64) -> str:
    """Read the secret in `path`; the first caller makes it, for its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        draft = path.with_suffix(f".{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(length)[:length])
        try:
            path.hardlink_to(draft)  # atomic: a reader sees the whole key or no file
        finally:
            draft.unlink()
    return path.read_text()
