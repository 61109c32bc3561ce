"""Check the addresses in a summary document: all of one release, in one store."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .live_pool import PoolError
from .manifest import LEGACY, MANIFEST
from .messages import render

PREFIXES = ("storage_prefix", "current_prefix")
# Addresses of the document: the prefix that they are under, and the file that they
# name.
POINTERS = {
    "live_pool_uri": ("current_prefix", "live_pool.json"),
    "live_pool_legacy_uri": ("current_prefix", LEGACY),
    "latest_universe_uri": ("current_prefix", "latest_universe.json"),
    "latest_ranking_uri": ("current_prefix", "latest_ranking.csv"),
    "artifact_manifest_uri": ("current_prefix", MANIFEST),
    "versioned_live_pool_legacy_uri": ("storage_prefix", LEGACY),
    "versioned_artifact_manifest_uri": ("storage_prefix", MANIFEST),
}
MANIFEST_POINTER = "versioned_artifact_manifest_uri"


def folder_of(uri: Any) -> str:
    """Return the folder of a manifest's address. Raises PoolError."""
    if not isinstance(uri, str) or len(uri) > 2000 or not uri.endswith(f"/{MANIFEST}"):
        raise PoolError(
            f"{MANIFEST_POINTER} must end in /{MANIFEST}, was {render(uri)}"
        )
    return uri.removesuffix(f"/{MANIFEST}")


def local_path(uri: str) -> Path:
    """Return the path of a `file://` address. Raises PoolError."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise PoolError(f"{render(uri)} is not an address: {error}") from None
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise PoolError(f"{render(uri)} is not the address of a local file")
    path = unquote(parts.path)
    if "\0" in path:
        raise PoolError(f"{render(uri)} is not the address of a local file")
    return Path(path)


def check_pointers(payload: Mapping[str, Any], folder: str) -> None:
    """Check that the document's addresses are those of one release in one store."""
    root = folder.rpartition("/releases/")[0]
    where = {"storage_prefix": folder, "current_prefix": f"{root}/current"}
    wanted = where | {
        key: f"{where[prefix]}/{name}" for key, (prefix, name) in POINTERS.items()
    }
    for key, uri in wanted.items():
        if key in payload and payload[key] != uri:
            raise PoolError(f"{key} was {render(payload[key])}, not {uri}")
