"""Commit to releases in the log, in the transaction that makes one current."""

from collections.abc import Sequence
from typing import Any

from core import clock
from core.clock import iso_z
from core.facts import Fact, FactKind
from livepool.models import Release
from proofs.leaves import NewLeaf, append_leaves
from proofs.models import LogLeaf

ACTS = {
    FactKind.RELEASE_PUBLISHED: "published",
    FactKind.RELEASE_ROLLED_BACK: "rolled_back",
}


def log_releases(*, facts: Sequence[Fact], **_: Any) -> None:
    """Append an entry for each fact that is about a release, two statements each."""
    for fact in facts:
        if act := ACTS.get(fact.kind):
            _log(act, fact.payload["version"])


def _log(act: str, version: str) -> None:
    now = clock.now()
    release = Release.objects.published().filter(version=version).newest_first()[0]
    body = {
        "act": act,
        "as_of_date": release.as_of_date.isoformat(),
        "at": iso_z(now),
        "files": release.checksums,
        "mode": release.mode,
        "revision": release.revision,
        "symbols": release.symbols,
        "version": version,
    }
    key = f"{version}:{release.revision}:{act}:{iso_z(now)}"
    append_leaves([NewLeaf(LogLeaf.Kind.RELEASE, key, body)])
