"""The five files of a release, byte for byte as downstream systems expect them.

JSON: two spaces of indent, keys in order of insertion, UTF-8, no newline at the end.
CSV: LF, floats in shortest round-trip form, True/False, empty for unknown.
"""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from core.files import write_file
from livepool.model.parameters import SOURCE_PROJECT
from livepool.model.pipeline import Ranking

CONTRACT_VERSION = "crypto_live_pool_rotation.live_pool.v1"
PROFILE = "crypto_live_pool_rotation"
# Logical name to file name, in the order in which they are uploaded.
FILES = {
    "latest_universe": "latest_universe.json",
    "latest_ranking": "latest_ranking.csv",
    "live_pool": "live_pool.json",
    "live_pool_legacy": "live_pool_legacy.json",
    "artifact_manifest": "artifact_manifest.json",
}
MANIFEST = FILES["artifact_manifest"]
SIGNATURE = "artifact_manifest.json.sig"
RELEASE_MANIFEST = "release_manifest.json"
COVERED = ("live_pool", "live_pool_legacy", "latest_ranking", "latest_universe")
RANKING_COLUMNS = (
    *("as_of_date", "symbol", "rule_score", "linear_score", "ml_score"),
    *("final_score", "regime", "confidence", "selected_flag", "current_rank"),
)
META_FIELDS = ("final_score", "confidence", "current_rank")


class BaseAsset(TypedDict):
    """The coin of a symbol; `BTC` of `BTCUSDT`."""

    base_asset: str


class PoolPayload(TypedDict):
    """live_pool.json; `symbols` is the pool in order."""

    as_of_date: str
    version: str
    mode: str
    pool_size: int
    symbols: list[str]
    symbol_map: dict[str, BaseAsset]
    source_project: str
    selection_meta: NotRequired[dict[str, dict[str, float]]]


class UniversePayload(TypedDict):
    """latest_universe.json: all coins that were ranked, by name."""

    as_of_date: str
    symbols: list[str]


def to_json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode()


def to_csv(columns: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Render rows as CSV; None is an empty field."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        ["" if row[c] is None else row[c] for c in columns] for row in rows
    )
    return buffer.getvalue().encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def version_of(as_of_date: date, mode: str) -> str:
    return f"{as_of_date.isoformat()}-{mode}"


def completed_at(as_of_date: date) -> datetime:
    """Return when the data of `as_of_date` was complete: the end of that UTC day.

    The manifest states this instant, so that a rebuild has the same bytes; when a
    release was published is in the document and in the database.
    """
    return datetime.combine(as_of_date + timedelta(days=1), time(0), UTC)


def pool_payload(
    ranking: Ranking,
    *,
    legacy: bool,
    source_project: str = SOURCE_PROJECT,
    selection_meta: bool = False,
) -> dict[str, Any]:
    """Return live_pool.json, or its legacy shape whose `symbols` is the map itself."""
    symbols = list(ranking.symbols)
    symbol_map = {s: {"base_asset": ranking.symbol_map[s]} for s in symbols}
    payload: dict[str, Any] = {
        "as_of_date": ranking.as_of_date.isoformat(),
        "version": version_of(ranking.as_of_date, ranking.mode),
        "mode": ranking.mode,
        "pool_size": len(symbols),
        "symbols": symbol_map if legacy else symbols,
        "symbol_map": symbol_map,
        "source_project": source_project,
    }
    meta = _selection_meta(ranking) if selection_meta else {}
    return {**payload, "selection_meta": meta} if meta else payload


def _selection_meta(ranking: Ranking) -> dict[str, dict[str, float]]:
    rows = ranking.rows.filter("selected_flag").select("symbol", *META_FIELDS)
    found = {
        row.pop("symbol"): {k: float(v) for k, v in row.items() if v is not None}
        for row in rows.iter_rows(named=True)
    }
    return {symbol: meta for symbol, meta in found.items() if meta}


def ranking_rows(ranking: Ranking) -> list[dict[str, Any]]:
    """Return the rows of latest_ranking.csv: the whole universe in the final order."""
    as_of = ranking.as_of_date.isoformat()
    return [
        {"as_of_date": as_of, **row}
        for row in ranking.rows.select(RANKING_COLUMNS[1:]).iter_rows(named=True)
    ]


def manifest(
    files: Mapping[str, bytes], pool: Mapping[str, Any], generated_at: datetime
) -> dict[str, Any]:
    """Return artifact_manifest.json over the other four files."""
    return {
        "manifest_type": "strategy_artifact",
        "contract_version": CONTRACT_VERSION,
        "strategy_profile": PROFILE,
        "artifact_type": "live_pool",
        "artifact_name": f"{PROFILE}_live_pool",
        "as_of_date": pool["as_of_date"],
        "snapshot_as_of": pool["as_of_date"],
        "version": pool["version"],
        "mode": pool["mode"],
        "symbol_count": len(pool["symbols"]),
        "symbols": list(pool["symbols"]),
        "source_project": pool["source_project"],
        "generated_at": generated_at.isoformat(),
        "primary_artifact": "live_pool",
        "artifacts": {
            name: {"path": FILES[name], "sha256": sha256(files[FILES[name]])}
            for name in COVERED
        },
    }


def render(
    ranking: Ranking,
    *,
    source_project: str = SOURCE_PROJECT,
    selection_meta: bool = False,
    generated_at: datetime | None = None,
) -> dict[str, bytes]:
    """Render all five files of a release, by file name, in order of upload."""
    pool, legacy = (
        pool_payload(
            ranking,
            legacy=legacy,
            source_project=source_project,
            selection_meta=selection_meta,
        )
        for legacy in (False, True)
    )
    universe = {
        "as_of_date": ranking.as_of_date.isoformat(),
        "symbols": list(ranking.universe),
    }
    files = {
        FILES["latest_universe"]: to_json(universe),
        FILES["latest_ranking"]: to_csv(RANKING_COLUMNS, ranking_rows(ranking)),
        FILES["live_pool"]: to_json(pool),
        FILES["live_pool_legacy"]: to_json(legacy),
    }
    made_at = generated_at or completed_at(ranking.as_of_date)
    files[MANIFEST] = to_json(manifest(files, pool, made_at))
    return files


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write each file atomically, the manifest last, because it covers the others."""
    for name in sorted(files, key=lambda name: name == MANIFEST):
        write_file(folder / name, files[name])


def read_files(folder: Path) -> dict[str, bytes]:
    """Read the files of a release that `folder` contains, with the signature if any."""
    names = (*FILES.values(), SIGNATURE)
    return {n: (folder / n).read_bytes() for n in names if (folder / n).is_file()}
