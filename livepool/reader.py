"""Read the live pool as a downstream system should: whole, verified, fresh or loud.

This module needs the standard library only (and `cryptography` when a public key is
given), so it can be copied as it is. The ladder is: summary document, last known good,
synchronised local files, static universe. Order and membership belong to the
publisher: symbols are returned as published. Nothing that a source holds is believed
before it was checked, and nothing that it holds can stop a reader.
"""

import hashlib
import json
import logging
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

log = logging.getLogger(__name__)

CONTRACT_VERSION = "crypto_live_pool_rotation.live_pool.v1"
STATIC_SYMBOLS = tuple(
    f"{base}USDT"
    for base in (
        *("ETH", "SOL", "XRP", "TRX", "ADA", "DOGE", "LINK"),
        *("LTC", "AVAX", "BCH", "DOT", "XLM", "NEAR"),
    )
)
# Far above any release; what is larger is not read, decoded or looked through.
MOST_BYTES = 4 * 1024 * 1024
MOST_SYMBOLS = 1000

_MANIFEST = "artifact_manifest.json"
_LEGACY = "live_pool_legacy.json"
_ARTIFACTS = {
    "live_pool": "live_pool.json",
    "live_pool_legacy": _LEGACY,
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
# Beside `symbols`, which one file lists and the other maps.
_STABLE = (
    *("as_of_date", "version", "mode", "pool_size", "symbol_map", "source_project"),
)
# Pointers of the document: the prefix they lie under and the file they name.
_PREFIXES = ("storage_prefix", "current_prefix")
_POINTERS = {
    "live_pool_uri": ("current_prefix", "live_pool.json"),
    "live_pool_legacy_uri": ("current_prefix", _LEGACY),
    "latest_universe_uri": ("current_prefix", "latest_universe.json"),
    "latest_ranking_uri": ("current_prefix", "latest_ranking.csv"),
    "artifact_manifest_uri": ("current_prefix", _MANIFEST),
    "versioned_live_pool_legacy_uri": ("storage_prefix", _LEGACY),
    "versioned_artifact_manifest_uri": ("storage_prefix", _MANIFEST),
}
_POINTER = "versioned_artifact_manifest_uri"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SYMBOL = re.compile(r"[^\W_]{1,40}USDT")


class PoolError(ValueError):
    """A source holds no usable pool; the message says why."""


@dataclass(frozen=True)
class Pool:
    """A pool in published order, and how it was obtained; nothing of it changes."""

    symbols: tuple[str, ...]
    bases: Mapping[str, str]
    version: str
    mode: str
    as_of_date: date | None
    source_project: str
    source: str
    degraded: bool = False
    messages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        own = MappingProxyType(dict(self.bases))
        object.__setattr__(self, "bases", own)

    @property
    def symbol_map(self) -> dict[str, dict[str, str]]:
        """A fresh mapping in published order; change it as you like."""
        return {s: {"base_asset": self.bases[s]} for s in self.symbols}


@dataclass(frozen=True)
class Reader:
    """What a consumer accepts and where it looks. Ages are in whole UTC days.

    `fetch` reads an address of the document (`gs://...`) to bytes; `file://` needs
    none. With it a document must be vouched for by its manifest, and with `public_key`
    (PEM, Ed25519) that manifest must be signed; without either, a document that names
    no manifest, or one that cannot be reached, is taken at its word, with a message.
    `today` is the UTC day that ages are counted to.
    """

    max_age_days: int = 45
    acceptable_modes: tuple[str, ...] = ("core_major",)
    expected_size: int | None = 5
    last_known_good: Path | None = None
    local_files: tuple[Path, ...] = ()
    static_symbols: tuple[str, ...] = STATIC_SYMBOLS
    public_key: bytes | None = None
    fetch: Callable[[str], bytes] | None = None
    today: Callable[[], date] = field(
        default=lambda: datetime.now(UTC).date()  # noqa: TID251  this runs elsewhere
    )

    def load(self, read_document: Callable[[], Any]) -> Pool:
        """The best pool there is; never raises for what a source holds or lacks."""
        failures: list[str] = []
        steps: tuple[tuple[str, Callable[[], Pool]], ...] = (
            ("fresh_upstream", lambda: self._document(read_document)),
            ("last_known_good", self._last_known_good),
            *(("local_file", _bound(self._local_file, p)) for p in self.local_files),
        )
        for source, step in steps:
            try:
                return self._told(step(), failures)
            except PoolError as error:
                failures.append(f"{source}: {error}")
            except Exception as error:  # noqa: BLE001  whatever it was, go one rung on
                failures.append(f"{source}: cannot be checked ({_reason(error)})")
        return self._told(self._static(), failures)

    def _told(self, pool: Pool, failures: list[str]) -> Pool:
        messages = (*failures, *pool.messages)
        if pool.degraded:
            log.warning(
                "live pool is degraded: %s %s (%s)",
                pool.source,
                pool.version,
                "; ".join(messages),
            )
        return replace(pool, messages=messages)

    def _document(self, read_document: Callable[[], Any]) -> Pool:
        try:
            payload = read_document()
        except PoolError:
            raise
        except Exception as error:  # any client of any store may fail in its own way
            raise PoolError(f"the document cannot be read: {_reason(error)}") from error
        pool = self.parse(payload, source="fresh_upstream")
        pool = self._verify_document(pool, payload)
        self._remember(pool)
        return pool

    def _last_known_good(self) -> Pool:
        if self.last_known_good is None:
            raise PoolError("none is configured")
        payload = _read_json(self.last_known_good)
        return self.parse(payload, source="last_known_good", fresh=False)

    def _local_file(self, path: Path) -> Pool:
        # Resolved once: a publisher may swap the folder behind a link meanwhile.
        path = path.parent.resolve() / path.name
        payload = _read_json(path)
        pool = self.parse(payload, source="local_file")
        manifest = path.with_name(_MANIFEST)
        if manifest.is_file() or self.public_key:
            read = _reader_of(path.parent)
            _same(payload, self._vouched(pool, read, (path.name,)), path.name)
        return pool

    def _static(self) -> Pool:
        return Pool(
            symbols=self.static_symbols,
            bases={s: _base(s) for s in self.static_symbols},
            version="static-fallback",
            mode="static",
            as_of_date=None,
            source_project="",
            source="static",
            degraded=True,
        )

    # --- what a payload must be

    def parse(self, payload: Any, *, source: str, fresh: bool = True) -> Pool:
        """A pool from one of the published shapes. Raises PoolError.

        Only the seven stable fields are needed; missing mode, version or project are
        assumed, with a message. `fresh=False` does not ask for the age, but a date in
        the future is always refused.
        """
        if not isinstance(payload, Mapping):
            raise PoolError(f"the payload must be an object, was {_shown(payload)}")
        symbols, bases = _symbols(payload)
        as_of = _date(payload.get("as_of_date"))
        today = self.today()
        age = (today - as_of).days
        if age < 0:
            raise PoolError(f"as_of_date {as_of} lies in the future (today is {today})")
        if fresh and age > self.max_age_days:
            raise PoolError(
                f"as_of_date {as_of} is {age} days old, limit {self.max_age_days}"
            )
        messages = [
            f"{key} is missing"
            for key in ("mode", "version", "source_project")
            if payload.get(key) in (None, "")
        ]
        mode = _text(payload, "mode", self.acceptable_modes[0])
        if mode not in self.acceptable_modes:
            raise PoolError(f"mode was {mode!r:.60}, not {self.acceptable_modes}")
        version = _text(payload, "version", f"{as_of}-{mode}")
        if version != f"{as_of}-{mode}":
            raise PoolError(f"version was {version!r:.80}, not '{as_of}-{mode}'")
        size = payload.get("pool_size", len(symbols))
        if type(size) is not int or size != len(symbols):
            raise PoolError(
                f"pool_size was {_shown(size)}, there are {len(symbols)} symbols"
            )
        if self.expected_size is not None and size != self.expected_size:
            raise PoolError(f"pool_size was {size}, expected {self.expected_size}")
        contract = payload.get("artifact_contract_version", CONTRACT_VERSION)
        if contract != CONTRACT_VERSION:
            raise PoolError(f"contract was {_shown(contract)}, not {CONTRACT_VERSION}")
        return Pool(
            symbols=symbols,
            bases=bases,
            version=version,
            mode=mode,
            as_of_date=as_of,
            source_project=_text(payload, "source_project", "unknown"),
            source=source,
            degraded=source != "fresh_upstream",
            messages=tuple(messages),
        )

    # --- manifest, checksums and signature

    def _verify_document(self, pool: Pool, payload: Mapping[str, Any]) -> Pool:
        """The document agrees with the manifest that it names, file by file."""
        manifest = payload.get(_POINTER)
        if manifest is None and not (self.fetch or self.public_key):
            extra = [key for key in (*_PREFIXES, *_POINTERS) if key in payload]
            if extra:
                raise PoolError(f"the document has {extra[0]} but no {_POINTER}")
            return pool
        folder = _folder_of(manifest)
        is_local = folder.startswith("file://")
        if not (is_local or self.fetch or self.public_key):
            _check_pointers(payload, folder)
            note = f"checksums were not checked: {folder} needs `fetch`"
            return replace(pool, messages=(*pool.messages, note))
        read = (
            _reader_of(_local_path(folder).resolve())
            if is_local
            else lambda name: self._fetched(f"{folder}/{name}")
        )
        found = self._vouched(pool, read, tuple(_ARTIFACTS.values()))
        _same(payload, found, "the document")
        _check_pointers(payload, folder)
        return pool

    def _fetched(self, uri: str) -> bytes:
        if self.fetch is None:
            raise PoolError(f"{uri} cannot be read without `fetch`")
        try:
            data = self.fetch(uri)
        except Exception as error:  # any client of any store may fail in its own way
            raise PoolError(f"{uri} cannot be read: {_reason(error)}") from error
        if not isinstance(data, (bytes, bytearray)):
            raise PoolError(f"`fetch` of {uri} gave {_shown(data)}, not bytes")
        if len(data) > MOST_BYTES:
            raise PoolError(f"{uri} holds {len(data)} bytes, limit {MOST_BYTES}")
        return bytes(data)

    def _vouched(
        self, pool: Pool, read: Callable[[str], bytes], names: tuple[str, ...]
    ) -> dict[str, Any]:
        """The legacy file, or the only one, when the manifest vouches for `names`."""
        raw = read(_MANIFEST)
        if self.public_key:
            _verify_signature(raw, read(f"{_MANIFEST}.sig"), self.public_key)
        manifest = _parse(raw, _MANIFEST)
        entries = _entries(manifest, pool)
        files = {name: read(name) for name in names}
        for name, data in files.items():
            if name not in entries:
                raise PoolError(f"{name} is no file of a release")
            if hashlib.sha256(data).hexdigest() != entries[name]:
                raise PoolError(f"{name} does not match its checksum in the manifest")
        name = _LEGACY if _LEGACY in files else names[0]
        return _parse(files[name], name)

    def _remember(self, pool: Pool) -> None:
        """Keep the stable fields, which were checked, and nothing else."""
        if self.last_known_good is None:
            return
        stable = {
            "as_of_date": str(pool.as_of_date),
            "version": pool.version,
            "mode": pool.mode,
            "pool_size": len(pool.symbols),
            "symbols": list(pool.symbols),
            "symbol_map": pool.symbol_map,
            "source_project": pool.source_project,
        }
        try:
            _keep(self.last_known_good, json.dumps(stable, indent=2).encode())
        except OSError as error:
            log.warning("live pool: the last known good is not kept: %s", error)


def load_trend_pool(
    read_document: Callable[[], Any], reader: Reader | None = None
) -> tuple[dict[str, dict[str, str]], dict[str, Any]]:
    """`(symbol_map, {"source": ...})`, with `"degraded": True` unless it is fresh."""
    pool = (reader or Reader()).load(read_document)
    origin: dict[str, Any] = {"source": pool.source}
    return pool.symbol_map, {**origin, "degraded": True} if pool.degraded else origin


def document_file(path: Path) -> Callable[[], Any]:
    """A `read_document` for the local store."""
    return lambda: _read_json(path)


def _keep(path: Path, data: bytes) -> None:
    """Replace the file whole: a reader that dies half-way still has the old one."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _bound(step: Callable[[Path], Pool], path: Path) -> Callable[[], Pool]:
    return lambda: step(path)


def _reader_of(folder: Path) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        path = folder / name
        data = b""
        try:
            # Asked first: opening a pipe would wait for a writer.
            is_plain = stat.S_ISREG(path.stat().st_mode)
            if is_plain:
                with path.open("rb") as file:
                    data = file.read(MOST_BYTES + 1)
        except (OSError, ValueError) as error:
            raise PoolError(f"{name} cannot be read: {_reason(error)}") from error
        if not is_plain:
            raise PoolError(f"{name} is no plain file")
        if len(data) > MOST_BYTES:
            raise PoolError(f"{name} is larger than {MOST_BYTES} bytes")
        return data

    return read


def _folder_of(uri: Any) -> str:
    """The folder of a manifest's address."""
    if not isinstance(uri, str) or len(uri) > 2000 or not uri.endswith(f"/{_MANIFEST}"):
        raise PoolError(f"{_POINTER} must end in /{_MANIFEST}, was {_shown(uri)}")
    return uri.removesuffix(f"/{_MANIFEST}")


def _local_path(uri: str) -> Path:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise PoolError(f"{_shown(uri)} is no address: {error}") from None
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise PoolError(f"{_shown(uri)} is no address of a local file")
    path = unquote(parts.path)
    if "\0" in path:
        raise PoolError(f"{_shown(uri)} is no address of a local file")
    return Path(path)


def _check_pointers(payload: Mapping[str, Any], folder: str) -> None:
    """The document's addresses are those of one release in one store."""
    root = folder.rpartition("/releases/")[0]
    where = {"storage_prefix": folder, "current_prefix": f"{root}/current"}
    wanted = where | {
        key: f"{where[prefix]}/{name}" for key, (prefix, name) in _POINTERS.items()
    }
    for key, uri in wanted.items():
        if key in payload and payload[key] != uri:
            raise PoolError(f"{key} was {_shown(payload[key])}, not {uri}")


def _entries(manifest: Mapping[str, Any], pool: Pool) -> dict[str, Any]:
    """SHA-256 by file name of a manifest that is of this pool."""
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
                f"the manifest is of another release: {key} was {_shown(found)}, "
                f"not {_shown(value)}"
            )
    if not _is_instant(made_at := manifest.get("generated_at")):
        raise PoolError(
            f"the manifest's generated_at must be an instant, was {_shown(made_at)}"
        )
    entries = manifest.get("artifacts")
    if not isinstance(entries, Mapping) or set(entries) != set(_ARTIFACTS):
        raise PoolError(
            f"the manifest's artifacts must be {', '.join(_ARTIFACTS)}, "
            f"were {_shown(entries)}"
        )
    found = {}
    for key, name in _ARTIFACTS.items():
        entry = entries[key]
        if not isinstance(entry, Mapping) or entry.get("path") != name:
            raise PoolError(f"the manifest's {key} must have the path {name}")
        found[name] = entry.get("sha256")
    return found


def _same(payload: Mapping[str, Any], file: Mapping[str, Any], name: str) -> None:
    """The stable fields are those of a verified file, type by type."""
    for key in _STABLE:
        if _canonical(payload.get(key)) != _canonical(file.get(key)):
            raise PoolError(f"{name} and the released files differ in {key}")
    listed = [list(source.get("symbols") or ()) for source in (payload, file)]
    if listed[0] != listed[1]:
        raise PoolError(f"{name} and the released files differ in symbols")


def _canonical(value: Any) -> str:
    """One text for one JSON value; a map's order does not count."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PoolError(f"a value cannot be JSON: {_reason(error)}") from None


def _read_json(path: Path) -> Any:
    return _parse(_reader_of(path.parent)(path.name), path.name)


def _parse(data: bytes, name: str) -> dict[str, Any]:
    """A JSON object, strictly: no key twice, no NaN, not deeper than a stack."""
    try:
        value = json.loads(
            data, object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise PoolError(f"{name} is not valid JSON: {_reason(error)}") from None
    if not isinstance(value, dict):
        raise PoolError(f"{name} must hold an object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is named twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _reason(error: BaseException) -> str:
    """An error in at most a line."""
    try:
        text = " ".join(str(error)[:200].split())
    except Exception:  # noqa: BLE001  a foreign error may be unable to say what it is
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _shown(value: Any) -> str:
    """A value in a message; of what may be large or deep, its type alone."""
    if isinstance(value, str):
        return repr(value[:60])
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if abs(value) < 10**18 else "a huge integer"
    return f"a {type(value).__name__}"


def _base(symbol: str) -> str:
    return symbol.removesuffix("USDT")


def _symbols(payload: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Ordered symbols and base assets; the order is that of `symbols`."""
    listed = payload.get("symbols")
    mapped = payload.get("symbol_map")
    if mapped is None and isinstance(listed, Mapping):
        mapped = listed
    if listed is None:
        listed = mapped
    if not isinstance(listed, (list, tuple, Mapping)) or not listed:
        raise PoolError(f"symbols must be a list or a map, was {_shown(listed)}")
    if len(listed) > MOST_SYMBOLS:
        raise PoolError(f"symbols has {len(listed)} entries, limit {MOST_SYMBOLS}")
    symbols: dict[str, None] = {}
    for raw in listed:
        symbol = raw.strip().upper() if isinstance(raw, str) else ""
        if not _SYMBOL.fullmatch(symbol):
            raise PoolError(f"symbol {_shown(raw)} is not a coin quoted in USDT")
        if symbol in symbols:
            raise PoolError(f"symbol {symbol} is named more than once")
        symbols[symbol] = None
    if mapped is None:
        return tuple(symbols), {s: _base(s) for s in symbols}
    if not isinstance(mapped, Mapping) or set(mapped) != set(symbols):
        raise PoolError("symbols and symbol_map name different symbols")
    bases = {}
    for symbol in symbols:
        entry = mapped[symbol]
        base = entry.get("base_asset") if isinstance(entry, Mapping) else None
        if not isinstance(base, str) or not 0 < len(base.strip()) <= 40:
            raise PoolError(f"symbol_map {symbol} has no base_asset")
        bases[symbol] = base
    return tuple(symbols), bases


def _text(payload: Mapping[str, Any], key: str, assumed: str) -> str:
    value = payload.get(key)
    if value is None or value == "":
        return assumed
    if not isinstance(value, str) or len(value) > 200:
        raise PoolError(f"{key} must be a short text, was {_shown(value)}")
    return value


def _date(value: Any) -> date:
    if isinstance(value, str) and _DATE.match(value):
        with suppress(ValueError):
            return date.fromisoformat(value[:10])
    raise PoolError(f"as_of_date must be a date, was {_shown(value)}")


def _is_instant(value: Any) -> bool:
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(value).tzinfo is not None
    return False


def _verify_signature(data: bytes, signature: bytes, public_key: bytes) -> None:
    import base64

    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(public_key)
        raw = base64.b64decode(signature, validate=True)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise PoolError(f"signature or key is malformed: {_reason(error)}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise PoolError("the public key is not an Ed25519 key")
    try:
        key.verify(raw, data)
    except InvalidSignature:
        raise PoolError("the manifest's signature does not match") from None
