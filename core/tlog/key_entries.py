"""Follow a log's keys from one that is known to those that replaced it.

A log names its keys in entries of its own. A new key is proven by its entry, when that
is below a head that the key before it has signed. From its entry on it signs alone:
what the key before it signs afterwards is worth nothing.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import LogFormatError, ProofError, UnprovenKeyError
from .log_checkpoint import open_log_checkpoint
from .merkle import leaf_hash, verify_inclusion
from .note import ED25519, VerifierKey, parse_vkey


@dataclass(frozen=True)
class KeyEntry:
    """The entry `index` of a log, which names its `key` from there on.

    `replaces` is the vkey before it, empty for a log's first. `note` is a signed head
    that covers the entry, `path` leads from the entry to its root.
    """

    index: int
    text: str
    key: VerifierKey
    replaces: str = ""
    is_lost: bool = False
    note: str = ""
    path: tuple[bytes, ...] = ()

    def prove(self, before: str) -> None:
        """Check that the key before this one vouches for it.

        `before` is the vkey that the log named before this entry, empty if it is not
        known. Raises UnprovenKeyError when it does not.
        """
        if before not in {"", self.replaces}:
            raise UnprovenKeyError(
                f"{self.replaces} was not the log's key any more when entry "
                f"{self.index} replaced it by {self.key}"
            )
        if self.is_lost:
            raise UnprovenKeyError(
                f"the log says that {self.replaces} was lost, so nothing vouches for "
                f"{self.key}"
            )
        try:
            head, _ = open_log_checkpoint(
                self.note, origin=self.key.name, keys=[parse_vkey(self.replaces)]
            )
            verify_inclusion(
                leaf=leaf_hash(self.text.encode()),
                index=self.index,
                size=head.size,
                path=self.path,
                root=head.root,
            )
        except (ProofError, LogFormatError):
            raise UnprovenKeyError(
                f"no head that {self.replaces} has signed covers entry {self.index}, "
                f"which names {self.key}"
            ) from None


def read_key_entry(
    index: int, text: str, *, note: str = "", path: Iterable[str] = ()
) -> KeyEntry:
    """Return what an entry says of a key; raises LogFormatError for what is none.

    `path` is in hex.
    """
    try:
        said = json.loads(text)
        key = parse_vkey(said["vkey"])
        if (said["kind"], said["origin"], key.kind) != ("key", key.name, ED25519):
            raise LogFormatError("it names no key of its log")
        return KeyEntry(
            index=int(index),
            text=text,
            key=key,
            replaces=str(said.get("replaces", "")),
            is_lost=said.get("lost") is not False,
            note=str(note),
            path=tuple(map(bytes.fromhex, path)),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LogFormatError(f"this is no entry of a log's key: {error!r}") from None


def read_key_entries(rows: Iterable[Mapping[str, Any]]) -> list[KeyEntry]:
    """Return the changes of a log's key, as a receipt's `keys` has them.

    Raises LogFormatError.
    """
    try:
        return [
            read_key_entry(
                each["index"], each["entry"], note=each["note"], path=each["path"]
            )
            for each in rows
        ]
    except (LookupError, TypeError) as error:
        raise LogFormatError(f"these are no changes of a key: {error!r}") from None


def parse_key_changes(data: bytes) -> list[KeyEntry]:
    """Return the changes of a log's key from the file `/log/key-changes`.

    Raises LogFormatError.
    """
    try:
        return read_key_entries(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise LogFormatError(f"these are no changes of a key: {error}") from None


class KeyChain:
    """The keys of a log that are known, and which of its keys signs a head."""

    def __init__(
        self, given: Iterable[VerifierKey], entries: Iterable[KeyEntry]
    ) -> None:
        """Follow the entries from the keys that are `given`, in the log's order."""
        self.known = list(given)
        self._entries = sorted(entries, key=lambda each: each.index)
        self._unproven: dict[VerifierKey, str] = {}
        before = ""
        for each in self._entries:
            last, before = before, str(each.key)
            if each.key in self.known or each.replaces not in map(str, self.known):
                continue
            try:
                each.prove(last)
                self.known.append(each.key)
            except UnprovenKeyError as error:
                self._unproven[each.key] = str(error)

    def key_at(self, size: int) -> VerifierKey | None:
        """Return the key that the entries name last below a size, if any."""
        below = [each.key for each in self._entries if each.index < size]
        return below[-1] if below else None

    def signers_of(self, size: int) -> list[VerifierKey]:
        """Return the known keys of which one has to sign a head of `size` entries.

        Raises UnprovenKeyError when no known key leads to the log's key by then.
        """
        key = self.key_at(size)
        if key is None:
            return self.known
        if key not in self.known:
            why = self._unproven.get(key, f"no key that is known leads to {key}")
            raise UnprovenKeyError(why)
        return [key]
