"""Verify a release with its manifest: the files' checksums and the signature."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from .json_files import parse_object
from .live_pool import Pool, PoolError
from .messages import explain, render
from .payload import is_instant

CONTRACT_VERSION = "crypto_live_pool_rotation.live_pool.v1"
MANIFEST = "artifact_manifest.json"
LEGACY = "live_pool_legacy.json"
FILES = {
    "live_pool": "live_pool.json",
    "live_pool_legacy": LEGACY,
    "latest_ranking": "latest_ranking.csv",
    "latest_universe": "latest_universe.json",
}
_CONSTANTS = {
    "manifest_type": "strategy_artifact",
    "contract_version": CONTRACT_VERSION,
    "strategy_profile": "crypto_live_pool_rotation",
    "artifact_type": "live_pool",
    "artifact_name": "crypto_live_pool_rotation_live_pool",
    "primary_artifact": "live_pool",
}
# Besides `symbols`, which is a list in one file and a map in the other.
_STABLE = (
    *("as_of_date", "version", "mode", "pool_size", "symbol_map", "source_project"),
)


def checked_file(
    pool: Pool,
    read: Callable[[str], bytes],
    names: tuple[str, ...],
    *,
    public_key: bytes | None,
) -> dict[str, Any]:
    """Check `names` against the manifest; return the legacy file, or the only one.

    `read` gives a file of the release by its name. With `public_key` the manifest
    must be signed. Raises PoolError.
    """
    raw = read(MANIFEST)
    if public_key:
        _verify_signature(raw, read(f"{MANIFEST}.sig"), public_key)
    entries = _checksums(parse_object(raw, MANIFEST), pool)
    files = {name: read(name) for name in names}
    for name, data in files.items():
        if name not in entries:
            raise PoolError(f"{name} is not a file of a release")
        if hashlib.sha256(data).hexdigest() != entries[name]:
            raise PoolError(f"{name} does not match its checksum in the manifest")
    name = LEGACY if LEGACY in files else names[0]
    return parse_object(files[name], name)


def _checksums(manifest: Mapping[str, Any], pool: Pool) -> dict[str, Any]:
    """Return SHA-256 by file name, if the manifest is of this pool."""
    release = {
        "version": pool.version,
        "mode": pool.mode,
        "as_of_date": str(pool.as_of_date),
        "snapshot_as_of": str(pool.as_of_date),
        "symbols": list(pool.symbols),
        "symbol_count": len(pool.symbols),
    }
    for key, value in {**_CONSTANTS, **release}.items():
        found = manifest.get(key)
        if type(found) is not type(value) or found != value:
            raise PoolError(
                f"the manifest is of another release: {key} was {render(found)}, "
                f"not {render(value)}"
            )
    if not is_instant(made_at := manifest.get("generated_at")):
        raise PoolError(
            f"the manifest's generated_at must be an instant, was {render(made_at)}"
        )
    entries = manifest.get("artifacts")
    if not isinstance(entries, Mapping) or set(entries) != set(FILES):
        raise PoolError(
            f"the manifest's artifacts must be {', '.join(FILES)}, "
            f"were {render(entries)}"
        )
    found = {}
    for key, name in FILES.items():
        entry = entries[key]
        if not isinstance(entry, Mapping) or entry.get("path") != name:
            raise PoolError(f"the manifest's {key} must have the path {name}")
        found[name] = entry.get("sha256")
    return found


def check_same_content(
    payload: Mapping[str, Any], file: Mapping[str, Any], name: str
) -> None:
    """Check that the stable fields are those of a verified file, type by type."""
    for key in _STABLE:
        if _canonical(payload.get(key)) != _canonical(file.get(key)):
            raise PoolError(f"{name} and the released files differ in {key}")
    listed = [list(source.get("symbols") or ()) for source in (payload, file)]
    if listed[0] != listed[1]:
        raise PoolError(f"{name} and the released files differ in symbols")


def _canonical(value: Any) -> str:
    """Return the same text for equal JSON values, whatever the order of keys."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PoolError(f"a value cannot be JSON: {explain(error)}") from None


def _verify_signature(data: bytes, signature: bytes, public_key: bytes) -> None:
    import base64

    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(public_key)
        raw = base64.b64decode(signature, validate=True)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise PoolError(f"signature or key is malformed: {explain(error)}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise PoolError("the public key is not an Ed25519 key")
    try:
        key.verify(raw, data)
    except InvalidSignature:
        raise PoolError("the manifest's signature does not match") from None
