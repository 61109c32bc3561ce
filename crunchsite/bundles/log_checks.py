"""Check a bundle's part of the log: signed heads, one history, entries, keys."""

import hashlib
import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from core.tlog.errors import (
    LogFormatError,
    ProofError,
    UnknownSignerError,
    UnprovenKeyError,
)
from core.tlog.exact import parse_exact
from core.tlog.key_entries import KeyChain, KeyEntry, read_key_entry
from core.tlog.log_checkpoint import TreeHead, parse_tree_head
from core.tlog.merkle import Frontier, leaf_hash, verify_inclusion
from core.tlog.note import (
    COSIGNATURE,
    Note,
    VerifierKey,
    cosigned_at_s,
    parse_note,
    parse_vkey,
    verify_note,
)
from crunchsite.bundles import bundle_format as files
from crunchsite.bundles.bundle_format import BundleReader
from crunchsite.bundles.findings import Verdict


@dataclass
class CheckedLog:
    """The log as far as it was proved.

    `entries` by index and `of_kind` in the order of the log; `sizes` of the heads,
    ascending, with `signed_at` by the site's clock; `cosigned` by size the earliest
    instant of a witness.
    """

    entries: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    of_kind: dict[str, list[Mapping[str, Any]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    sizes: list[int] = field(default_factory=list)
    signed_at: dict[int, datetime] = field(default_factory=dict)
    cosigned: dict[int, datetime] = field(default_factory=dict)
    _rules: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def signed_first(self, index: int) -> datetime | None:
        """Return when the first head that covers an entry was signed, as said."""
        place = bisect_right(self.sizes, index)
        return self.signed_at[self.sizes[place]] if place < len(self.sizes) else None

    def is_cosigned_by(self, index: int, due: datetime) -> bool:
        """Return whether a witness had cosigned an entry by an instant."""
        return any(s > index and at <= due for s, at in self.cosigned.items())

    def rules(self, digest: str) -> Mapping[str, Any]:
        """Return the rules of a digest; empty when the log has none."""
        if digest not in self._rules:
            self._rules[digest] = next(
                (
                    parse_exact(entry["rules"])
                    for entry in self.of_kind["rules"]
                    if entry["digest"] == digest == _sha256(entry["rules"])
                ),
                {},
            )
        return self._rules[digest]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def prove_log(
    bundle: BundleReader,
    manifest: Mapping[str, Any],
    findings: Verdict,
    pinned: Sequence[VerifierKey],
) -> CheckedLog:
    """Check heads, hashes and entries; `pinned` are keys that are known otherwise."""
    log = CheckedLog()
    own, witnesses = _keys(manifest, findings, pinned)
    places, named = _read_entries(bundle, log, findings)
    signers = _Signers(KeyChain(own, named), witnesses, manifest, findings)
    heads = _check_heads(bundle, signers, findings, log)
    there, frontier = _check_history(bundle, manifest, findings, heads, places)
    root = frontier.root()
    for index, (node, path) in places.items():
        is_there = index in there
        if index < manifest["start"]:
            is_there = _leads(node, index, frontier.size, path, root)
        findings.check(
            "entries", is_there, f"entry {index} is not what the log has at this place"
        )
        of = log.entries[index].get("competition", manifest["competition"])
        is_own = of == manifest["competition"]
        findings.check("entries", is_own, f"entry {index} is of the competition {of}")
    findings.check(
        "heads",
        manifest["end"] in log.signed_at,
        f"no signed head covers all {manifest['end']} entries",
    )
    for key in own:
        is_named = any(key == each.key for each in named)
        findings.check("keys", is_named, f"the log does not name {key}")
    return log


def _keys(
    manifest: Mapping[str, Any], findings: Verdict, pinned: Sequence[VerifierKey]
) -> tuple[list[VerifierKey], list[VerifierKey]]:
    """Return the keys of the log and of witnesses: the pinned ones, else those told."""
    told = [
        *map(parse_vkey, manifest["keys"]),
        *(parse_vkey(each["vkey"]) for each in manifest["witnesses"]),
    ]
    found: list[list[VerifierKey]] = []
    for is_witness, step, whose in (
        (False, "keys", "the log"),
        (True, "witnesses", "a witness"),
    ):
        chosen = [key for key in pinned if (key.kind == COSIGNATURE) is is_witness]
        own = [key for key in told if (key.kind == COSIGNATURE) is is_witness]
        if not chosen and own:
            findings.leave(
                step,
                f"no --key of {whose} was given: they are those the bundle names",
            )
        found.append(chosen or own)
    return found[0], found[1]


class _Signers:
    """The keys that have to sign heads, once a known key leads to the log's last one.

    The head of the whole bundle is signed with that, and all other heads lead to it: so
    it vouches for the keys before it.
    """

    def __init__(
        self,
        chain: KeyChain,
        witnesses: Sequence[VerifierKey],
        manifest: Mapping[str, Any],
        findings: Verdict,
    ) -> None:
        self.origin: str = manifest["origin"]
        self._chain, self._witnesses = chain, witnesses
        self._is_known = True
        try:
            chain.signers_of(manifest["end"])
        except UnprovenKeyError as error:
            self._is_known = findings.check("keys", False, f"{error}")

    def of(self, head: TreeHead, note: Note) -> list[VerifierKey]:
        """Return who signed a head: first the log's key by then, then witnesses.

        Raises ProofError when that key did not sign it, or nothing leads to it.
        """
        key = self._chain.key_at(head.size)
        if key is None or not self._is_known or head.origin != self.origin:
            raise UnprovenKeyError("it is signed by no key of the log")
        try:
            verify_note(note, [key])
        except UnknownSignerError:
            raise UnprovenKeyError(
                f"it is not signed by {key}, the log's key by then"
            ) from None
        return verify_note(note, [key, *self._witnesses])


def _check_heads(
    bundle: BundleReader, by: _Signers, findings: Verdict, log: CheckedLog
) -> dict[int, list[TreeHead]]:
    heads: dict[int, list[TreeHead]] = defaultdict(list)
    for row in bundle.rows(files.HEADS):
        note = parse_note(row["note"])
        head = parse_tree_head(note.text)
        heads[head.size].append(head)
        name = f"the head of {head.size} entries"
        try:
            signers = by.of(head, note)
        except ProofError as error:
            findings.check("heads", False, f"{name}: {error}")
            continue
        findings.check("heads", True, "")
        log.signed_at[head.size] = datetime.fromisoformat(row["signed_at"])
        times = [
            datetime.fromtimestamp(cosigned_at_s(line), UTC)
            for key in signers
            for line in note.signatures
            if key.kind == COSIGNATURE and line.is_by(key)
        ]
        if times:
            log.cosigned[head.size] = min(times)
    log.sizes = sorted(log.signed_at)
    return heads


# By index, the leaf hash of an entry and its path, if it has one.
_Places = dict[int, tuple[bytes, Sequence[str]]]


def _read_entries(
    bundle: BundleReader, log: CheckedLog, findings: Verdict
) -> tuple[_Places, list[KeyEntry]]:
    """Read the entries into the log; return where they should be, and its keys."""
    places: _Places = {}
    keys: list[KeyEntry] = []
    newest = -1
    for row in bundle.rows(files.ENTRIES):
        index, entry = row["index"], row["entry"]
        ascends = index > newest
        findings.check("entries", ascends, f"entry {index} does not come in its order")
        newest = max(index, newest)
        places[index] = leaf_hash(entry.encode()), row.get("path", ())
        log.entries[index] = fact = json.loads(entry)
        log.of_kind[fact["kind"]].append(fact)
        if fact["kind"] == "key":
            keys.append(read_key_entry(index, entry, **row.get("vouched", {})))
    return places, keys


def _check_history(
    bundle: BundleReader,
    manifest: Mapping[str, Any],
    findings: Verdict,
    heads: dict[int, list[TreeHead]],
    places: _Places,
) -> tuple[set[int], Frontier]:
    """Check that each head is the beginning of the next; return the entries found."""
    frontier = Frontier(manifest["start"], map(bytes.fromhex, manifest["before"]))
    there: set[int] = set()
    for node in bundle.hashes(files.LEAVES):
        index = frontier.size
        if index in places and places[index][0] == node:
            there.add(index)
        frontier.append(node)
        for head in heads.pop(frontier.size, ()):
            findings.check(
                "fork",
                head.root == frontier.root(),
                f"the signed head of {head.size} entries is of another history than "
                "the log's hashes",
            )
    findings.check(
        "fork",
        not heads and frontier.size == manifest["end"],
        f"heads of {sorted(heads)} entries are not within the log's hashes, which end "
        f"at {frontier.size}",
    )
    return there, frontier


def _leads(
    node: bytes, index: int, size: int, path: Sequence[str], root: bytes
) -> bool:
    try:
        verify_inclusion(
            leaf=node,
            index=index,
            size=size,
            path=[bytes.fromhex(each) for each in path],
            root=root,
        )
    except (ProofError, LogFormatError, ValueError):
        return False
    return True
