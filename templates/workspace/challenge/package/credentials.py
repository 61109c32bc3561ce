"""The participant's key: from the environment, or a file that only its owner reads."""

import os
from pathlib import Path

from . import config


def key_variable():
    """Return the variable of the environment that holds the key."""
    return f"CRUNCH_{config.NAME.upper().replace('-', '_')}_KEY"


def credentials_file():
    return Path.home() / ".config" / f"crunch-{config.NAME}" / "credentials"


def stored_key(url):
    """Return the key of the credentials file for a site; None without one."""
    return _stored().get(url)


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
    except OSError:
        return {}
    return dict(line.split(" ", 1) for line in lines if " " in line)
