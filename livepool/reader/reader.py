"""Read the live pool from the best available source."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from .addresses import (
    MANIFEST_POINTER,
    POINTERS,
    PREFIXES,
    check_pointers,
    folder_of,
    local_path,
)
from .json_files import MOST_BYTES, read_object, reader_of, replace_file
from .live_pool import STATIC_SYMBOLS, Pool, PoolError, base_asset
from .manifest import (
    CONTRACT_VERSION,
    FILES,
    MANIFEST,
    check_same_content,
    checked_file,
)
from .messages import explain, render
from .payload import date_of, symbols_of, text_of

log = logging.getLogger("livepool.reader")


@dataclass(frozen=True)
class Reader:
    """A reader's configuration: what it accepts and where it looks.

    Ages are in whole UTC days. `fetch` reads an address of the document (`gs://...`)
    and returns bytes; `file://` does not need it. With `fetch` a document must agree
    with its manifest, and with `public_key` (PEM, Ed25519) that manifest must be
    signed. Without either, a document that names no manifest, or one that cannot be
    reached, is accepted, with a message. `today` returns the UTC day for ages.
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
        """Return the best available pool; never raises, whatever a source contains."""
        failures: list[str] = []
        steps: tuple[tuple[str, Callable[[], Pool]], ...] = (
            ("fresh_upstream", lambda: self._document(read_document)),
            ("last_known_good", self._last_known_good),
            *(("local_file", partial(self._local_file, p)) for p in self.local_files),
        )
        for source, step in steps:
            try:
                return self._with_messages(step(), failures)
            except PoolError as error:
                failures.append(f"{source}: {error}")
            except Exception as error:  # noqa: BLE001  the next source is asked
                failures.append(f"{source}: cannot be checked ({explain(error)})")
        return self._with_messages(self._static(), failures)

    def _with_messages(self, pool: Pool, failures: list[str]) -> Pool:
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
            raise PoolError(f"the document cannot be read: {explain(error)}") from error
        pool = self.parse(payload, source="fresh_upstream")
        pool = self._verify_document(pool, payload)
        self._keep_as_last_known_good(pool)
        return pool

    def _last_known_good(self) -> Pool:
        if self.last_known_good is None:
            raise PoolError("none is configured")
        payload = read_object(self.last_known_good)
        return self.parse(payload, source="last_known_good", fresh=False)

    def _local_file(self, path: Path) -> Pool:
        # Resolved once: a publisher may switch the link to another folder meanwhile.
        path = path.parent.resolve() / path.name
        payload = read_object(path)
        pool = self.parse(payload, source="local_file")
        manifest = path.with_name(MANIFEST)
        if manifest.is_file() or self.public_key:
            found = checked_file(
                pool, reader_of(path.parent), (path.name,), public_key=self.public_key
            )
            check_same_content(payload, found, path.name)
        return pool

    def _static(self) -> Pool:
        return Pool(
            symbols=self.static_symbols,
            bases={s: base_asset(s) for s in self.static_symbols},
            version="static-fallback",
            mode="static",
            as_of_date=None,
            source_project="",
            source="static",
            degraded=True,
        )

    def parse(self, payload: Any, *, source: str, fresh: bool = True) -> Pool:
        """Make a pool from a payload in one of the published shapes. Raises PoolError.

        Only the seven stable fields are needed; missing mode, version or project are
        assumed, with a message. `fresh=False` does not ask for the age, but a date in
        the future is always refused.
        """
        if not isinstance(payload, Mapping):
            raise PoolError(f"the payload must be an object, was {render(payload)}")
        symbols, bases = symbols_of(payload)
        as_of = date_of(payload.get("as_of_date"))
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
        mode = text_of(payload, "mode", self.acceptable_modes[0])
        if mode not in self.acceptable_modes:
            raise PoolError(f"mode was {mode!r:.60}, not {self.acceptable_modes}")
        version = text_of(payload, "version", f"{as_of}-{mode}")
        if version != f"{as_of}-{mode}":
            raise PoolError(f"version was {version!r:.80}, not '{as_of}-{mode}'")
        size = payload.get("pool_size", len(symbols))
        if type(size) is not int or size != len(symbols):
            raise PoolError(
                f"pool_size was {render(size)}, there are {len(symbols)} symbols"
            )
        if self.expected_size is not None and size != self.expected_size:
            raise PoolError(f"pool_size was {size}, expected {self.expected_size}")
        contract = payload.get("artifact_contract_version", CONTRACT_VERSION)
        if contract != CONTRACT_VERSION:
            raise PoolError(f"contract was {render(contract)}, not {CONTRACT_VERSION}")
        return Pool(
            symbols=symbols,
            bases=bases,
            version=version,
            mode=mode,
            as_of_date=as_of,
            source_project=text_of(payload, "source_project", "unknown"),
            source=source,
            degraded=source != "fresh_upstream",
            messages=tuple(messages),
        )

    def _verify_document(self, pool: Pool, payload: Mapping[str, Any]) -> Pool:
        """Check the document against the manifest that it names, file by file."""
        manifest = payload.get(MANIFEST_POINTER)
        if manifest is None and not (self.fetch or self.public_key):
            extra = [key for key in (*PREFIXES, *POINTERS) if key in payload]
            if extra:
                raise PoolError(
                    f"the document has {extra[0]} but no {MANIFEST_POINTER}"
                )
            return pool
        folder = folder_of(manifest)
        is_local = folder.startswith("file://")
        if not (is_local or self.fetch or self.public_key):
            check_pointers(payload, folder)
            note = f"checksums were not checked: {folder} needs `fetch`"
            return replace(pool, messages=(*pool.messages, note))
        read = (
            reader_of(local_path(folder).resolve())
            if is_local
            else lambda name: self._fetch(f"{folder}/{name}")
        )
        found = checked_file(
            pool, read, tuple(FILES.values()), public_key=self.public_key
        )
        check_same_content(payload, found, "the document")
        check_pointers(payload, folder)
        return pool

    def _fetch(self, uri: str) -> bytes:
        if self.fetch is None:
            raise PoolError(f"{uri} cannot be read without `fetch`")
        try:
            data = self.fetch(uri)
        except Exception as error:  # any client of any store may fail in its own way
            raise PoolError(f"{uri} cannot be read: {explain(error)}") from error
        if not isinstance(data, (bytes, bytearray)):
            raise PoolError(f"`fetch` of {uri} gave {render(data)}, not bytes")
        if len(data) > MOST_BYTES:
            raise PoolError(f"{uri} holds {len(data)} bytes, limit {MOST_BYTES}")
        return bytes(data)

    def _keep_as_last_known_good(self, pool: Pool) -> None:
        """Store the stable fields, which were checked, and nothing else."""
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
            replace_file(self.last_known_good, json.dumps(stable, indent=2).encode())
        except OSError as error:
            log.warning("live pool: the last known good is not kept: %s", error)


def load_trend_pool(
    read_document: Callable[[], Any], reader: Reader | None = None
) -> tuple[dict[str, dict[str, str]], dict[str, Any]]:
    """Return the symbol map and its origin.

    The origin is `{"source": ...}`, with `"degraded": True` unless it is fresh.
    """
    pool = (reader or Reader()).load(read_document)
    origin: dict[str, Any] = {"source": pool.source}
    return pool.symbol_map, {**origin, "degraded": True} if pool.degraded else origin


def document_file(path: Path) -> Callable[[], Any]:
    """Return a `read_document` function for the local store."""
    return lambda: read_object(path)
