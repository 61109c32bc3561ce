"""Store and announce releases, behind two protocols.

A *release store* keeps the files of each version, created once, and the current
pointer. A *document store* keeps the one summary document, written with a
precondition. Both are a local folder by default, or Google's services.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from livepool.errors import LivePoolError

ROOT_PREFIX = "crypto-live-pool-pipelines"


class StoreError(LivePoolError):
    """A store failed or contains something unexpected."""

    code = "store_failed"


class ConflictError(StoreError):
    """Another writer was first: the precondition of a write failed."""

    code = "livepool_conflict"
    status = 409


@dataclass(frozen=True)
class Document:
    """The summary document and the token that a replacement must name."""

    payload: dict[str, Any]
    token: str


class ReleaseStore(Protocol):
    """Files of versions under `releases/<version>/`, and `current/`."""

    def uri(self, path: str = "") -> str:
        """Return the address of a path in the store, like `current/live_pool.json`."""

    def read_release(self, version: str) -> dict[str, bytes]:
        """Return the files of a version; none when it is unknown."""

    def create_release(self, version: str, files: Mapping[str, bytes]) -> None:
        """Create what is missing and read it all back; equal files may exist already.

        Raises ConflictError, before any write, if a file exists with other bytes.
        """

    def replace_release(self, version: str, files: Mapping[str, bytes]) -> str:
        """Archive what is there, then put `files`; returns the archive's address."""

    def point_current(self, version: str, files: Mapping[str, bytes]) -> None:
        """Make `files` current; on failure the previous ones stay, or are restored."""


class DocumentStore(Protocol):
    """The one summary document."""

    def address(self) -> tuple[str, str]:
        """Return the collection and the document's name."""

    def read(self) -> Document | None:
        """Return the document, or None when there is none yet."""

    def write(self, payload: Mapping[str, Any], *, expected: Document | None) -> None:
        """Replace `expected` (None: create). Raises ConflictError if it has changed."""


@dataclass(frozen=True)
class Stores:
    """The two stores of one site."""

    releases: ReleaseStore
    documents: DocumentStore
