"""Read the live pool as a downstream system should: whole, verified, fresh or loud.

This module needs the standard library only (and `cryptography` when a public key is
given), so it can be copied as it is. The ladder is: summary document, last known good,
synchronised local files, static universe. Order and membership belong to the
publisher: symbols are returned as published.
"""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
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
_MANIFEST = "artifact_manifest.json"


class PoolError(ValueError):
    """A source holds no usable pool; the message says why."""


@dataclass(frozen=True)
class Pool:
    """A pool in published order, and how it was obtained."""

    symbols: tuple[str, ...]
    bases: Mapping[str, str]
    version: str
    mode: str
    as_of_date: date | None
    source_project: str
    source: str
    degraded: bool = False
    messages: tuple[str, ...] = ()

    @property
    def symbol_map(self) -> dict[str, dict[str, str]]:
        """A fresh mapping in published order; change it as you like."""
        return {s: {"base_asset": self.bases[s]} for s in self.symbols}


@dataclass(frozen=True)
class Reader:
    """What a consumer accepts and where it looks. Ages are in whole UTC days.

    `fetch` reads an address of the document (`gs://...`); `file://` needs none.
    With `public_key` (PEM, Ed25519) only signed releases are accepted upstream.
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
                pool = step()
            except PoolError as error:
                failures.append(f"{source}: {error}")
                continue
            return self._told(pool, failures)
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
        return Pool(**{**vars(pool), "messages": messages})

    def _document(self, read_document: Callable[[], Any]) -> Pool:
        try:
            payload = read_document()
        except Exception as error:  # any client of any store may fail in its own way
            raise PoolError(f"the document cannot be read: {error!r}") from error
        pool = self.parse(payload, source="fresh_upstream")
        self._verify_document(pool, payload)
        self._remember(payload)
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
            self._verify_files(pool, read, (path.name,))
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
            raise PoolError(f"the payload must be an object, was {payload!r:.60}")
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
        assumed = {
            "mode": self.acceptable_modes[0],
            "version": f"{as_of}-{payload.get('mode') or self.acceptable_modes[0]}",
            "source_project": "unknown",
        }
        messages = [f"{key} is missing" for key in assumed if not payload.get(key)]
        known = {key: payload.get(key) or value for key, value in assumed.items()}
        if known["mode"] not in self.acceptable_modes:
            raise PoolError(f"mode was {known['mode']!r}, not {self.acceptable_modes}")
        size = payload.get("pool_size", len(symbols))
        if size != len(symbols):
            raise PoolError(f"pool_size was {size!r}, there are {len(symbols)} symbols")
        if self.expected_size is not None and size != self.expected_size:
            raise PoolError(f"pool_size was {size}, expected {self.expected_size}")
        contract = payload.get("artifact_contract_version", CONTRACT_VERSION)
        if contract != CONTRACT_VERSION:
            raise PoolError(f"contract was {contract!r}, not {CONTRACT_VERSION!r}")
        return Pool(
            symbols=symbols,
            bases=bases,
            as_of_date=as_of,
            source=source,
            degraded=source != "fresh_upstream",
            messages=tuple(messages),
            **known,
        )

    # --- checksums and signature

    def _verify_document(self, pool: Pool, payload: Mapping[str, Any]) -> None:
        manifest = payload.get("versioned_artifact_manifest_uri")
        readable = isinstance(manifest, str) and (
            manifest.startswith("file://") or self.fetch is not None
        )
        if readable:
            folder = str(manifest).rpartition("/")[0]
            self._verify_files(
                pool, lambda n: self._get(f"{folder}/{n}"), ("live_pool_legacy.json",)
            )
        elif self.public_key:
            raise PoolError("the signature cannot be checked: no manifest is reachable")

    def _get(self, uri: str) -> bytes:
        parts = urlsplit(uri)
        try:
            if parts.scheme == "file":
                return Path(unquote(parts.path)).read_bytes()
            if self.fetch is not None:
                return self.fetch(uri)
        except Exception as error:  # any client of any store may fail in its own way
            raise PoolError(f"{uri} cannot be read: {error!r}") from error
        raise PoolError(f"{uri} cannot be read without `fetch`")

    def _verify_files(
        self, pool: Pool, read: Callable[[str], bytes], names: tuple[str, ...]
    ) -> None:
        raw = read(_MANIFEST)
        if self.public_key:
            _verify_signature(raw, read(f"{_MANIFEST}.sig"), self.public_key)
        manifest = _parse(raw, _MANIFEST)
        entries = manifest.get("artifacts")
        told = (
            manifest.get("version"),
            manifest.get("as_of_date"),
            manifest.get("symbols"),
        )
        if told != (pool.version, str(pool.as_of_date), list(pool.symbols)):
            raise PoolError(f"the manifest is of another release: {told[0]!r}")
        for name in names:
            entry = (entries or {}).get(Path(name).stem)
            wanted = entry.get("sha256") if isinstance(entry, Mapping) else None
            if hashlib.sha256(read(name)).hexdigest() != wanted:
                raise PoolError(f"{name} does not match its checksum in the manifest")

    def _remember(self, payload: Mapping[str, Any]) -> None:
        if self.last_known_good is None:
            return
        data = json.dumps(dict(payload), indent=2, default=str).encode()
        try:
            _keep(self.last_known_good, data)
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
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(name).replace(path)


def _bound(step: Callable[[Path], Pool], path: Path) -> Callable[[], Pool]:
    return lambda: step(path)


def _reader_of(folder: Path) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise PoolError(f"{name} cannot be read: {error.strerror}") from error

    return read


def _read_json(path: Path) -> Any:
    return _parse(_reader_of(path.parent)(path.name), path.name)


def _parse(data: bytes, name: str) -> Any:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise PoolError(f"{name} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise PoolError(f"{name} must hold an object")
    return value


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
        raise PoolError(f"symbols must be a list or a map, was {listed!r:.60}")
    symbols = []
    for raw in listed:
        symbol = raw.strip().upper() if isinstance(raw, str) else ""
        if not symbol.endswith("USDT") or symbol == "USDT":
            raise PoolError(f"symbol {raw!r} is not a coin quoted in USDT")
        if symbol in symbols:
            raise PoolError(f"symbol {symbol} is named more than once")
        symbols.append(symbol)
    if mapped is None:
        return tuple(symbols), {s: _base(s) for s in symbols}
    if not isinstance(mapped, Mapping) or set(mapped) != set(symbols):
        raise PoolError("symbols and symbol_map name different symbols")
    bases = {}
    for symbol in symbols:
        entry = mapped[symbol]
        base = entry.get("base_asset") if isinstance(entry, Mapping) else None
        if not isinstance(base, str) or not base.strip():
            raise PoolError(f"symbol_map {symbol} has no base_asset")
        bases[symbol] = base
    return tuple(symbols), bases


def _date(value: Any) -> date:
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        raise PoolError(f"as_of_date must be a date, was {value!r:.60}") from None


def _verify_signature(data: bytes, signature: bytes, public_key: bytes) -> None:
    import base64

    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(public_key)
        raw = base64.b64decode(signature, validate=True)
    except ValueError as error:
        raise PoolError(f"signature or key is malformed: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise PoolError("the public key is not an Ed25519 key")
    try:
        key.verify(raw, data)
    except InvalidSignature:
        raise PoolError("the manifest's signature does not match") from None
