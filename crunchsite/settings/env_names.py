"""Names of environment variables: those that are read, and similar ones."""

import os
from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import AliasChoices
from pydantic_settings import DotEnvSettingsSource

from crunchsite.settings.env import Env

# Names that other coordinators read and this one does not: what to do instead.
_REPLACED = {
    "score_interval_seconds": "set the score interval on the competition's page",
    "feed_retention_check_seconds": "what is past retention is dropped each hour",
    "market_retention_check_seconds": "what is past retention is dropped each hour",
    "feed_opt_hermes_url": "set PYTH_API_URL",
}
_LIKENESS = 0.84


def known_names() -> set[str]:
    """Return every name that is read, other spellings included, in lower case."""
    names = set(Env.model_fields)
    for field in Env.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            names |= {str(name) for name in field.validation_alias.choices}
    return names


def unread_names(environ: Iterable[str]) -> dict[str, str]:
    """Return names that resemble ours and are not read, with what to do instead."""
    known = known_names()
    unread: dict[str, str] = {}
    for name in environ:
        lower = name.lower()
        if lower in known:
            continue
        near = get_close_matches(lower, known, n=1, cutoff=_LIKENESS)
        if lower in _REPLACED:
            unread[name] = _REPLACED[lower]
        elif near:
            unread[name] = f"do you mean {near[0].upper()}?"
    return unread


def given_names() -> list[str]:
    """Return the names in the environment and in .env."""
    in_file = DotEnvSettingsSource(Env).env_vars
    return sorted({*os.environ, *(name.upper() for name in in_file)})  # noqa: TID251  this is where it is read
