"""Derive every name of a workspace from its slug."""

import keyword
import re
from dataclasses import dataclass

from competitions.scaffold.errors import ScaffoldError

PATTERN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LONGEST = 40
# They would hide a package of the engine, or one that the workspace itself needs.
_RESERVED = frozenset(
    {"node", "admin", "api", "core", "competitions", "feeds", "scoring", "emissions"}
    | {"livepool", "crunchsite", "proofs", "site", "test", "cli"}
)


@dataclass(frozen=True)
class Names:
    """The names that a slug gives: `btc-trader` to `crunch_btc_trader` and so on."""

    slug: str

    @property
    def package(self) -> str:
        """The Python package that participants import."""
        return f"crunch_{self.slug.replace('-', '_')}"

    @property
    def challenge(self) -> str:
        """The folder of the public package, and its name for pip."""
        return f"crunch-{self.slug}"

    @property
    def node(self) -> str:
        """The folder of the private node."""
        return f"crunch-node-{self.slug}"

    @property
    def title(self) -> str:
        return self.slug.replace("-", " ").capitalize()


def names_of(slug: str) -> Names:
    """Check a slug and return its names; raises ScaffoldError.

    Lower-case letters and digits in groups, with single dashes in between.
    """
    if not slug:
        raise ScaffoldError("name is missing; give one, like btc-trader.")
    if len(slug) > LONGEST:
        raise ScaffoldError(
            f"name has {len(slug)} characters; at most {LONGEST} are taken."
        )
    if not PATTERN.fullmatch(slug):
        raise ScaffoldError(
            f"name was {slug!r}; write lower-case letters and digits, with single "
            "dashes in between, like btc-trader."
        )
    module = slug.replace("-", "_")
    if slug in _RESERVED or keyword.iskeyword(module):
        raise ScaffoldError(f"name was {slug!r}, which is reserved; choose another.")
    return Names(slug)
