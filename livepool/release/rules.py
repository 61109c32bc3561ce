"""The release contract: every rule that the files of a release must keep.

All violations are collected before one error is raised; nothing is written.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from livepool.artifacts import FILES, MANIFEST, RELEASE_MANIFEST
from livepool.errors import LivePoolError
from livepool.release.manifest_rules import (
    artifact_manifest_problems,
    release_manifest_problems,
)
from livepool.release.pool_rules import (
    agreement_problems,
    legacy_problems,
    live_problems,
    positive_count,
)
from livepool.release.ranking_rules import ranking_problems, ranking_warnings
from livepool.release.release_files import ReleaseFiles, UnreadableError
from livepool.release.symbol_rules import normal_symbols, symbol_problems


class ReleaseContractError(LivePoolError):
    """A release breaks its contract; the message lists every violation."""

    code = "livepool_contract"
    status = 409


@dataclass
class Report:
    """The validator's result; `ok` when there is no error."""

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
        """Raise ReleaseContractError listing all errors, then all warnings."""
        if self.errors:
            raise ReleaseContractError("; ".join([*self.errors, *self.warnings]))


@dataclass(frozen=True)
class Expectations:
    """What the caller knows beforehand; None means not checked."""

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
    return validate(ReleaseFiles.read(folder), expected, where=str(folder))


def validate(files: ReleaseFiles, expected: Expectations, *, where: str = "") -> Report:
    """Validate the files of a release; `where` is their folder or version.

    Missing files end the check: without them the other rules mean nothing.
    """
    report = Report(
        output_dir=where,
        manifest_present=RELEASE_MANIFEST in files.data,
        artifact_manifest_present=MANIFEST in files.data,
    )
    required = [name for name in FILES.values() if name != MANIFEST]
    required += [MANIFEST] if expected.require_artifact_manifest else []
    required += [RELEASE_MANIFEST] if expected.require_manifest else []
    report.errors += [
        f"{name} is missing" for name in required if name not in files.data
    ]
    if report.ok:
        _check(files, expected, report)
    return report


def _check(files: ReleaseFiles, expected: Expectations, report: Report) -> None:
    """Apply every rule; a file that cannot be read counts as empty to the others."""

    def content(name: str) -> dict[str, Any]:
        found: dict[str, Any] = _content(lambda: files.json(name), {}, report)
        return found

    universe = content(FILES["latest_universe"])
    live = content(FILES["live_pool"])
    legacy = content(FILES["live_pool_legacy"])
    manifest = content(MANIFEST) if MANIFEST in files.data else None
    release = content(RELEASE_MANIFEST) if RELEASE_MANIFEST in files.data else None
    ranking: list[dict[str, str]] = _content(files.ranking, [], report)
    pool = normal_symbols(live.get("symbols"))
    errors = report.errors
    errors += live_problems(live)
    errors += legacy_problems(legacy)
    listed = universe.get("symbols")
    errors += symbol_problems(listed, "latest_universe")
    errors += agreement_problems(live, legacy, normal_symbols(listed))
    errors += _expectation_problems(live, expected)
    if ranking:
        errors += ranking_problems(ranking, pool)
        report.warnings += ranking_warnings(ranking)
    if release is not None:
        errors += release_manifest_problems(release, live, legacy)
    if manifest is not None:
        errors += artifact_manifest_problems(manifest, live, files.data)
    dates = {
        "latest_universe": universe.get("as_of_date"),
        "live_pool": live.get("as_of_date"),
        "live_pool_legacy": legacy.get("as_of_date"),
    }
    errors += [
        f"{name} as_of_date must be a date, was {value!r}"
        for name, value in dates.items()
        if _date(value) is None
    ]
    stated = [(row["as_of_date"]) for row in ranking] + [
        payload["as_of_date"]
        for payload in (release, manifest)
        if payload and payload.get("as_of_date")
    ]
    different = {str(value)[:10] for value in (*dates.values(), *stated)}
    if len(different) > 1:
        errors.append(f"as_of_date differs between files: {sorted(different)}")
    _check_age(_date(live.get("as_of_date")), expected, report)
    _summarise(report, live, pool, manifest)


def _content(read: Callable[[], Any], empty: Any, report: Report) -> Any:
    try:
        return read()
    except UnreadableError as error:
        report.errors.append(str(error))
        return empty


def _expectation_problems(
    live: dict[str, Any], expected: Expectations
) -> Iterator[str]:
    for key in ("mode", "source_project", "pool_size"):
        wanted = getattr(expected, key)
        if wanted is not None and live.get(key) != wanted:
            yield f"live_pool {key} was {live.get(key)!r}, expected {wanted!r}"


def _check_age(as_of: date | None, expected: Expectations, report: Report) -> None:
    if as_of is None:
        return
    age = (expected.reference_date - as_of).days
    report.age_days = age
    if age < 0:
        report.errors.append(f"as_of_date {as_of} lies in the future")
    elif age > expected.max_age_days:
        message = (
            f"as_of_date {as_of} is {age} days old, "
            f"the limit is {expected.max_age_days}"
        )
        if expected.require_freshness:
            report.errors.append(f"{message}; --allow-stale accepts it")
        else:
            report.warnings.append(message)


def _summarise(
    report: Report,
    live: dict[str, Any],
    pool: list[str],
    manifest: dict[str, Any] | None,
) -> None:
    report.symbols = pool
    for key in ("as_of_date", "version", "mode", "source_project"):
        value = live.get(key)
        setattr(report, key, value if isinstance(value, str) else None)
    report.pool_size = positive_count(live.get("pool_size"))
    report.artifact_contract_version = (manifest or {}).get("contract_version")


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        return None
