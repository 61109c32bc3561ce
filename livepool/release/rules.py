"""The release contract: every rule that the files of a release must keep.

Violations are collected, never raised one by one; nothing is written.
"""

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from livepool import artifacts
from livepool.artifacts import FILES, MANIFEST, RANKING_COLUMNS, RELEASE_MANIFEST
from livepool.model.regime import REGIMES

POOL_FIELDS = (
    *("as_of_date", "version", "mode", "pool_size", "symbols", "symbol_map"),
    "source_project",
)
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
_TRUE = {"1", "true", "yes", "y", "on"}
# Marks of a shadow track; such files must never be published.
_SHADOW_KEYS = ("source_track", "candidate_status", "profile", "activation_date")


class ContractError(ValueError):
    """A release breaks its contract; the message lists every violation."""


@dataclass
class Report:
    """What the validator found; `ok` when there is no error."""

    output_dir: str = ""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    manifest_present: bool = False
    artifact_manifest_present: bool = False
    artifact_contract_version: str | None = None
    as_of_date: str | None = None
    version: str | None = None
    mode: str | None = None
    pool_size: int | None = None
    symbols: list[str] = field(default_factory=list)
    source_project: str | None = None
    age_days: int | None = None

    @property
    def ok(self) -> bool:
        return not self.errors

    def to_dict(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}

    def raise_for_errors(self) -> None:
        """Raise ContractError listing all errors, then all warnings."""
        if self.errors:
            raise ContractError("; ".join([*self.errors, *self.warnings]))


@dataclass(frozen=True)
class Expectations:
    """What the caller knows beforehand; None is not checked."""

    reference_date: date
    mode: str | None = None
    source_project: str | None = None
    pool_size: int | None = None
    max_age_days: int = 45
    require_freshness: bool = True
    require_manifest: bool = False
    require_artifact_manifest: bool = True


def validate_folder(folder: Path, expected: Expectations) -> Report:
    """Validate the release in `folder`, with its release manifest if there is one."""
    files = artifacts.read_files(folder)
    release_manifest = folder / RELEASE_MANIFEST
    if release_manifest.is_file():
        files[RELEASE_MANIFEST] = release_manifest.read_bytes()
    return validate(files, expected, where=str(folder))


def validate(
    files: Mapping[str, bytes], expected: Expectations, *, where: str = ""
) -> Report:
    """Validate files by name. Missing ones end the check: nothing else makes sense."""
    report = Report(
        output_dir=where,
        manifest_present=RELEASE_MANIFEST in files,
        artifact_manifest_present=MANIFEST in files,
    )
    required = [name for name in FILES.values() if name != MANIFEST]
    required += [MANIFEST] if expected.require_artifact_manifest else []
    required += [RELEASE_MANIFEST] if expected.require_manifest else []
    report.errors += [f"{name} is missing" for name in required if name not in files]
    if report.ok:
        _Check(files, expected, report).run()
    return report


class _Check:
    """One validation; parsed files beside the report that collects the violations."""

    def __init__(
        self, files: Mapping[str, bytes], expected: Expectations, report: Report
    ) -> None:
        self.files = files
        self.expected = expected
        self.report = report
        self.error = report.errors.append
        self.universe = self.parse(FILES["latest_universe"])
        self.live = self.parse(FILES["live_pool"])
        self.legacy = self.parse(FILES["live_pool_legacy"])
        self.manifest = self.parse(MANIFEST) if MANIFEST in files else None
        self.release = (
            self.parse(RELEASE_MANIFEST) if RELEASE_MANIFEST in files else None
        )
        self.ranking = self.rows(FILES["latest_ranking"])

    def run(self) -> None:
        live = self.pool(self.live, "live_pool", legacy=False)
        legacy = self.pool(self.legacy, "live_pool_legacy", legacy=True)
        universe = self.symbols(self.universe.get("symbols"), "latest_universe")
        self.agreement(live, legacy, universe)
        self.check_ranking(live)
        if self.release is not None:
            self.check_release(live)
        if self.manifest is not None:
            self.check_manifest(live)
        self.dates()
        self.summary(live)

    # --- parsing

    def parse(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads(self.files[name], parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            self.error(f"{name} is not valid JSON: {error}")
            return {}
        if not isinstance(value, dict):
            self.error(f"{name} must be an object, was {type(value).__name__}")
            return {}
        return value

    def rows(self, name: str) -> list[dict[str, str]]:
        try:
            text = self.files[name].decode()
            reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
            rows = list(reader)
        except (ValueError, csv.Error) as error:
            self.error(f"{name} cannot be read: {error}")
            return []
        missing = [c for c in RANKING_COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            self.error(f"{name} lacks the columns {', '.join(missing)}")
            return []
        if not rows:
            self.error(f"{name} has no rows")
        return [{k: v or "" for k, v in row.items() if k} for row in rows]

    def symbols(self, value: Any, name: str) -> list[str]:
        if not isinstance(value, list) or not value:
            self.error(f"{name} symbols must be a list that is not empty")
            return []
        found = [s.strip().upper() if isinstance(s, str) else "" for s in value]
        for raw, symbol in zip(value, found, strict=True):
            if not symbol:
                self.error(f"{name} symbols must be text, was {raw!r}")
            elif not symbol.endswith("USDT"):
                self.error(f"{name} symbol {symbol} is not quoted in USDT")
        twice = sorted({s for s in found if s and found.count(s) > 1})
        if twice:
            self.error(f"{name} names {', '.join(twice)} more than once")
        return [s for s in found if s]

    def mapping(self, value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            self.error(f"{name} must be a map that is not empty")
            return {}
        self.symbols(list(value), name)
        for symbol, entry in value.items():
            base = entry.get("base_asset") if isinstance(entry, dict) else None
            if not isinstance(base, str) or not base.strip():
                self.error(f"{name} {symbol} needs a base_asset, was {entry!r}")
        return {key.strip().upper(): entry for key, entry in value.items()}

    # --- the two pool files

    def pool(self, payload: dict[str, Any], name: str, *, legacy: bool) -> list[str]:
        missing = [f for f in POOL_FIELDS if f not in payload]
        if missing:
            self.error(f"{name} lacks {', '.join(missing)}")
        shadow = [key for key in _SHADOW_KEYS if key in payload]
        if shadow:
            self.error(f"{name} is of a shadow track (it has {', '.join(shadow)})")
        for key in ("version", "mode", "source_project"):
            value = payload.get(key)
            if not isinstance(value, str) or not value.strip():
                self.error(f"{name} {key} must be text, was {value!r}")
        symbol_map = self.mapping(payload.get("symbol_map"), f"{name} symbol_map")
        if legacy:
            listed = list(self.mapping(payload.get("symbols"), f"{name} symbols"))
            if payload.get("symbols") != payload.get("symbol_map"):
                self.error(f"{name} symbols and symbol_map differ")
        else:
            listed = self.symbols(payload.get("symbols"), name)
            if set(listed) != set(symbol_map):
                self.error(f"{name} symbols and symbol_map name different symbols")
        size = _count(payload.get("pool_size"))
        if size is None:
            found = payload.get("pool_size")
            self.error(f"{name} pool_size must be a positive integer, was {found!r}")
        elif size != len(listed):
            self.error(f"{name} pool_size was {size}, it has {len(listed)} symbols")
        stem = f"{str(payload.get('as_of_date'))[:10]}-{payload.get('mode')}"
        if payload.get("version") != stem:
            self.error(f"{name} version was {payload.get('version')!r}, not {stem!r}")
        return listed

    def agreement(
        self, live: list[str], legacy: list[str], universe: list[str]
    ) -> None:
        if set(live) != set(legacy):
            self.error("live_pool and live_pool_legacy name different symbols")
        elif live != legacy:
            self.error("live_pool and live_pool_legacy differ in order")
        outside = sorted(set(live) - set(universe))
        if outside:
            self.error(f"live_pool has {', '.join(outside)} outside the universe")
        for key in ("mode", "version", "source_project"):
            if self.live.get(key) != self.legacy.get(key):
                self.error(f"live_pool and live_pool_legacy differ in {key}")
        wanted = {
            "mode": self.expected.mode,
            "source_project": self.expected.source_project,
            "pool_size": self.expected.pool_size,
        }
        for key, value in wanted.items():
            if value is not None and self.live.get(key) != value:
                self.error(
                    f"live_pool {key} was {self.live.get(key)!r}, expected {value!r}"
                )

    # --- ranking

    def check_ranking(self, live: list[str]) -> None:
        if not self.ranking:
            return
        ranked = self.symbols([r["symbol"] for r in self.ranking], "latest_ranking")
        chosen = [
            r for r in self.ranking if r["selected_flag"].strip().lower() in _TRUE
        ]
        selected = [r["symbol"].strip().upper() for r in chosen]
        for name, there in (("ranking", ranked), ("selected rows", selected)):
            absent = sorted(set(live) - set(there))
            if absent:
                self.error(f"live_pool has {', '.join(absent)} outside the {name}")
        if len(selected) != len(live):
            self.error(f"{len(selected)} rows are selected, the pool has {len(live)}")
        ranks = [number(r["current_rank"]) for r in chosen]
        if any(rank is None for rank in ranks):
            self.error("a selected row has no numeric current_rank")
        elif len(set(ranks)) != len(ranks):
            self.error("two selected rows share a current_rank")
        else:
            pairs = zip(ranks, selected, strict=True)
            if [s for _, s in sorted(pairs, key=lambda p: p[0] or 0)] != live:
                self.error("live_pool order differs from the selected rows by rank")
        unknown = sorted({r["regime"] for r in self.ranking} - set(REGIMES))
        if unknown:
            self.report.warnings.append(f"unknown regimes: {', '.join(unknown)}")
        expected_ranks = [float(n) for n in range(1, len(ranks) + 1)]
        if sorted(r or 0.0 for r in ranks) != expected_ranks:
            self.report.warnings.append("the selected rows are not the best ranks")

    # --- manifests

    def check_release(self, live: list[str]) -> None:
        release = self.release or {}
        for key in ("mode", "version", "as_of_date"):
            value = release.get(key)
            if value and value != self.live.get(key):
                self.error(
                    f"release manifest {key} was {value!r}, "
                    f"live_pool has {self.live.get(key)!r}"
                )
        firestore = release.get("firestore")
        payload = firestore.get("payload") if isinstance(firestore, dict) else None
        if not isinstance(payload, dict):
            self.error("release manifest has no firestore.payload")
            return
        wanted = {**{k: self.live.get(k) for k in POOL_FIELDS}, "symbols": live}
        wanted["symbol_map"] = self.legacy.get("symbol_map")
        for key, value in wanted.items():
            if payload.get(key) != value:
                self.error(f"firestore payload and live_pool differ in {key}")

    def check_manifest(self, live: list[str]) -> None:
        manifest = self.manifest or {}
        missing = [f for f in MANIFEST_FIELDS if f not in manifest]
        if missing:
            self.error(f"artifact manifest lacks {', '.join(missing)}")
        wanted = {
            **_CONSTANTS,
            "version": self.live.get("version"),
            "mode": self.live.get("mode"),
            "as_of_date": self.live.get("as_of_date"),
            "snapshot_as_of": self.live.get("as_of_date"),
            "source_project": self.live.get("source_project"),
            "symbols": live,
            "symbol_count": len(live),
        }
        for key, value in wanted.items():
            if key in manifest and manifest[key] != value:
                self.error(
                    f"artifact manifest {key} was {manifest[key]!r}, not {value!r}"
                )
        entries = manifest.get("artifacts")
        if not isinstance(entries, dict):
            self.error("artifact manifest artifacts must be an object")
            return
        for name in artifacts.COVERED:
            self.check_entry(name, entries.get(name))

    def check_entry(self, name: str, entry: Any) -> None:
        if not isinstance(entry, dict):
            self.error(f"artifact manifest has no entry {name}")
            return
        if entry.get("path") != FILES[name]:
            self.error(
                f"artifact manifest {name} path was {entry.get('path')!r}, "
                f"not {FILES[name]!r}: a bare file name"
            )
            return
        actual = artifacts.sha256(self.files[FILES[name]])
        if entry.get("sha256") != actual:
            self.error(f"{FILES[name]} does not match the sha256 in the manifest")

    # --- dates

    def dates(self) -> None:
        found = {
            "latest_universe": self.universe.get("as_of_date"),
            "live_pool": self.live.get("as_of_date"),
            "live_pool_legacy": self.legacy.get("as_of_date"),
        }
        for name, value in found.items():
            if _date(value) is None:
                self.error(f"{name} as_of_date must be a date, was {value!r}")
        found |= {f"ranking {r['as_of_date']}": r["as_of_date"] for r in self.ranking}
        for name, payload in (
            ("release manifest", self.release),
            ("artifact manifest", self.manifest),
        ):
            if payload and payload.get("as_of_date"):
                found[name] = payload["as_of_date"]
        different = {str(value)[:10] for value in found.values()}
        if len(different) > 1:
            self.error(f"as_of_date differs between files: {sorted(different)}")
        as_of = _date(self.live.get("as_of_date"))
        if as_of is None:
            return
        age = (self.expected.reference_date - as_of).days
        self.report.age_days = age
        if age < 0:
            self.error(f"as_of_date {as_of} lies in the future")
        elif age > self.expected.max_age_days:
            message = (
                f"as_of_date {as_of} is {age} days old, "
                f"the limit is {self.expected.max_age_days}"
            )
            if self.expected.require_freshness:
                self.error(f"{message}; --allow-stale accepts it")
            else:
                self.report.warnings.append(message)

    def summary(self, live: list[str]) -> None:
        report = self.report
        report.symbols = live
        for key in ("as_of_date", "version", "mode", "source_project"):
            value = self.live.get(key)
            setattr(report, key, value if isinstance(value, str) else None)
        report.pool_size = _count(self.live.get("pool_size"))
        version = (self.manifest or {}).get("contract_version")
        report.artifact_contract_version = version


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _count(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number > 0 else None


def number(text: str) -> float | None:
    """A finite number, or None for what is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        return None
