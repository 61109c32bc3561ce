"""The participant's key: from the environment, or a file that only its owner reads."""

import os
import re
from pathlib import Path

from . import config
from .problems import InvalidInput


def key_variable():
    """Return the variable of the environment that holds the key."""
    return f"CRUNCH_{config.NAME.upper().replace('-', '_')}_KEY"


def credentials_file():
    return Path.home() / ".config" / f"crunch-{config.NAME}" / "credentials"


def key_of(url):
    """Return the key for a site: of the environment, or the file; None without one."""
    return os.environ.get(key_variable()) or _stored().get(url)


def require_key(key):
    """Raise InvalidInput for a text that cannot be a key; does not repeat it."""
    if not re.fullmatch("[!-~]+", key):
        raise InvalidInput(
            "the key is empty, or has a blank, a line's end or a letter that no key "
            "has; copy it once more."
        )


def store_key(url, key):
    """Write the key into the credentials file, which only its owner can read."""
    path = credentials_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".draft")
    lines = [f"{site} {each}\n" for site, each in {**_stored(), url: key}.items()]
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(lines)
    os.replace(draft, path)
    return path


def _stored():
    """Return the kept keys by the address of their site."""
    try:
        lines = credentials_file().read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return dict(line.split(" ", 1) for line in lines if " " in line)
