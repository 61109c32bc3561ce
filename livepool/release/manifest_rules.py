"""Check the artifact manifest and the release manifest."""

from collections.abc import Iterator, Mapping
from typing import Any

from livepool import artifacts
from livepool.artifacts import FILES
from livepool.release.pool_rules import POOL_FIELDS
from livepool.release.symbol_rules import normal_symbols

MANIFEST_FIELDS = (
    *("manifest_type", "contract_version", "strategy_profile", "artifact_type"),
    *("artifact_name", "as_of_date", "snapshot_as_of", "version", "mode"),
    *("symbol_count", "symbols", "source_project", "generated_at"),
    *("primary_artifact", "artifacts"),
)
_CONSTANTS = {
    "manifest_type": "strategy_artifact",
    "contract_version": artifacts.CONTRACT_VERSION,
    "strategy_profile": artifacts.PROFILE,
    "artifact_type": "live_pool",
    "artifact_name": f"{artifacts.PROFILE}_live_pool",
    "primary_artifact": "live_pool",
}
Payload = Mapping[str, Any]


def release_manifest_problems(
    release: Payload, live: Payload, legacy: Payload
) -> Iterator[str]:
    """Yield where the release manifest and the pool files do not agree."""
    for key in ("mode", "version", "as_of_date"):
        value = release.get(key)
        if value and value != live.get(key):
            yield (
                f"release manifest {key} was {value!r}, live_pool has {live.get(key)!r}"
            )
    firestore = release.get("firestore")
    payload = firestore.get("payload") if isinstance(firestore, dict) else None
    if not isinstance(payload, dict):
        yield "release manifest has no firestore.payload"
        return
    wanted = {key: live.get(key) for key in POOL_FIELDS}
    wanted["symbols"] = normal_symbols(live.get("symbols"))
    wanted["symbol_map"] = legacy.get("symbol_map")
    for key, value in wanted.items():
        if payload.get(key) != value:
            yield f"firestore payload and live_pool differ in {key}"


def artifact_manifest_problems(
    manifest: Payload, live: Payload, files: Mapping[str, bytes]
) -> Iterator[str]:
    """Yield where artifact_manifest.json and the files that it covers do not agree."""
    missing = [field for field in MANIFEST_FIELDS if field not in manifest]
    if missing:
        yield f"artifact manifest lacks {', '.join(missing)}"
    symbols = normal_symbols(live.get("symbols"))
    wanted = {
        **_CONSTANTS,
        "version": live.get("version"),
        "mode": live.get("mode"),
        "as_of_date": live.get("as_of_date"),
        "snapshot_as_of": live.get("as_of_date"),
        "source_project": live.get("source_project"),
        "symbols": symbols,
        "symbol_count": len(symbols),
    }
    for key, value in wanted.items():
        if key in manifest and manifest[key] != value:
            yield f"artifact manifest {key} was {manifest[key]!r}, not {value!r}"
    entries = manifest.get("artifacts")
    if not isinstance(entries, dict):
        yield "artifact manifest artifacts must be an object"
        return
    for name in artifacts.COVERED:
        yield from _entry_problems(name, entries.get(name), files)


def _entry_problems(name: str, entry: Any, files: Mapping[str, bytes]) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"artifact manifest has no entry {name}"
        return
    if entry.get("path") != FILES[name]:
        yield (
            f"artifact manifest {name} path was {entry.get('path')!r}, "
            f"not {FILES[name]!r}: a bare file name"
        )
        return
    actual = artifacts.sha256(files[FILES[name]])
    if entry.get("sha256") != actual:
        yield f"{FILES[name]} does not match the sha256 in the manifest"
