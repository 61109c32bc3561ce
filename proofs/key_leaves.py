"""The log names its own keys: the first in its first entry, each change in one more."""

import json
from typing import Any

from django.db import transaction

from core import clock
from core.clock import iso_z
from core.tlog.note import VerifierKey, parse_vkey
from proofs.leaves import NewLeaf, append_leaves
from proofs.models import LogLeaf


def append_first_key(key: VerifierKey) -> None:
    """Append the entry of the log's first key, unless it names one already."""
    if not LogLeaf.objects.filter(kind=LogLeaf.Kind.KEY).exists():
        append_key(key, reason="the log begins")


def append_key(
    key: VerifierKey, *, reason: str, replaces: str = "", is_lost: bool = False
) -> None:
    """Append the entry of a key; again, it changes nothing.

    `replaces` is the vkey before it. When that key `is_lost`, it does not sign the head
    that covers this entry.
    """
    body: dict[str, Any] = {
        "at": iso_z(clock.now()),
        "origin": key.name,
        "reason": reason,
        "vkey": str(key),
    }
    if replaces:
        body |= {"replaces": replaces, "lost": is_lost}
    leaf = NewLeaf(LogLeaf.Kind.KEY, str(key)[-200:], body)
    with transaction.atomic():
        append_leaves([leaf], may_exist=True)


def newest_key(leaf: LogLeaf | None = None) -> str:
    """Return the vkey of a key's entry, else of the log's newest sealed one."""
    keys = LogLeaf.objects.sealed().filter(kind=LogLeaf.Kind.KEY)
    chosen = leaf or keys.last()
    return str(json.loads(chosen.text)["vkey"]) if chosen else ""


def vkeys(*, below: int | None = None) -> list[VerifierKey]:
    """Return the log's keys, as its sealed entries name them, the newest first.

    With `below`, those of entries before that index alone.
    """
    leaves = LogLeaf.objects.sealed().filter(kind=LogLeaf.Kind.KEY)
    if below is not None:
        leaves = leaves.filter(index__lt=below)
    return [parse_vkey(json.loads(leaf.text)["vkey"]) for leaf in leaves.reverse()]
