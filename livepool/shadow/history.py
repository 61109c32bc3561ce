"""Build shadow histories: what each track would have released, month by month.

For comparison and offline replay only. Everything is written under the output folder;
no store is touched, and the contract refuses these files for publication.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from core import clock
from core.files import new_folder, write_file
from livepool import artifacts, pool_change
from livepool.artifacts import META_FIELDS, RELEASE_MANIFEST, to_csv, to_json
from livepool.model import pipeline
from livepool.model.parameters import BASELINE, SOURCE_PROJECT, TRACKS, Track
from livepool.model.pipeline import Panel, Ranking
from livepool.model.universe import base_asset, month_ends
from livepool.models import ShadowTrack

log = structlog.get_logger(__name__)

INDEX = "release_index.csv"
INDEX_COLUMNS = (
    *("version", "as_of_date", "activation_date", "mode", "source_project"),
    *("pool_size", "expected_pool_size", "symbols", "profile", "source_track"),
    *("candidate_status", "regime", "regime_confidence", "pool_stability"),
    *("pool_churn", "has_selection_meta", "live_pool_path", "live_pool_legacy_path"),
    "release_manifest_path",
)
SUMMARY_COLUMNS = (
    *("track_id", "profile_name", "target_mode", "source_track", "candidate_status"),
    *("release_count", "first_as_of_date", "last_as_of_date", "release_index_path"),
)
RELEASES_DIR = "shadow_releases"
TRACKS_DIR = "shadow_candidate_tracks"


@dataclass(frozen=True)
class History:
    """The releases of one track, oldest first, and their index rows."""

    track: Track
    mode: str
    releases: tuple[dict[str, Any], ...]
    by_rule_alone: int

    @property
    def first(self) -> str | None:
        return self.releases[0]["as_of_date"] if self.releases else None

    @property
    def last(self) -> str | None:
        return self.releases[-1]["as_of_date"] if self.releases else None

    @property
    def mean_churn(self) -> float | None:
        known = [r["pool_churn"] for r in self.releases if r["pool_churn"] is not None]
        return sum(known) / len(known) if known else None


def activation_date(dates: list[date], as_of: date, lag: int) -> date:
    """Return the date `lag` available dates after `as_of`; `as_of` without one."""
    later = dates.index(as_of) + max(0, lag)
    return dates[later] if later < len(dates) else as_of


def rankings(panel: Panel, track: Track) -> Iterator[Ranking]:
    """Yield the track's ranking of each month end, from out-of-sample predictions.

    Months before the first walk-forward window, or with too few coins, are left out.
    """
    dates = panel.dates
    warm = dates[panel.config.models.train_dates :]
    if not warm:
        return
    wanted = [day for day in month_ends(dates) if day >= warm[0]]
    scored = pipeline.rank_history(panel, target=track.target, only=wanted)
    for rows in scored.partition_by("date", maintain_order=True):
        if rows.height < panel.config.ranking.pool_size:
            continue
        symbols = rows["symbol"].to_list()
        yield Ranking(
            mode=panel.mode,
            as_of_date=rows["date"][0],
            rows=rows,
            universe=tuple(sorted(symbols)),
            symbol_map={s: panel.bases.get(s, base_asset(s)) for s in symbols},
            regime=rows["regime"][0],
            regime_confidence=rows["regime_confidence"][0],
            warnings=(),
        )


def write_history(panel: Panel, track: Track, folder: Path) -> History:
    """Write the track's releases and their index to `folder`, replacing all of it."""
    fresh = new_folder(folder)
    try:
        history = _write(panel, track, fresh)
        if folder.exists():
            shutil.rmtree(folder)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return history


def _write(panel: Panel, track: Track, folder: Path) -> History:
    rows: list[dict[str, Any]] = []
    dates, previous, by_rule_alone = panel.dates, None, 0
    for ranking in rankings(panel, track):
        activated = activation_date(
            dates, ranking.as_of_date, panel.config.activation_lag_days
        )
        row = _write_release(ranking, track, activated, folder)
        row["pool_stability"] = pool_change.stability(ranking.symbols, previous)
        row["pool_churn"] = pool_change.churn(ranking.symbols, previous)
        rows.append(row)
        previous = ranking.symbols
        by_rule_alone += ranking.rows["ml_score"].null_count() == ranking.rows.height
    index = [{**row, "symbols": "|".join(row["symbols"])} for row in rows]
    write_file(folder / INDEX, to_csv(INDEX_COLUMNS, index))
    return History(track, panel.mode, tuple(rows), by_rule_alone)


def _write_release(
    ranking: Ranking, track: Track, activated: date, folder: Path
) -> dict[str, Any]:
    size = len(ranking.symbols)
    marks = {
        "profile": track.profile,
        "source_track": track.source_track,
        "candidate_status": track.candidate_status,
        "activation_date": activated.isoformat(),
        "expected_pool_size": size,
    }
    version = artifacts.version_of(ranking.as_of_date, ranking.mode)
    paths = {
        name: f"{version}/{artifacts.FILES[name]}"
        for name in ("live_pool", "live_pool_legacy")
    }
    for name, path in paths.items():
        payload = artifacts.pool_payload(
            ranking, legacy=name == "live_pool_legacy", selection_meta=True
        )
        write_file(folder / path, to_json({**payload, **marks}))
    facts = {
        "version": version,
        "as_of_date": ranking.as_of_date.isoformat(),
        "activation_date": marks["activation_date"],
        "mode": ranking.mode,
        "source_project": SOURCE_PROJECT,
        "pool_size": size,
        "expected_pool_size": size,
        "symbols": list(ranking.symbols),
        "profile": track.profile,
        "source_track": track.source_track,
        "candidate_status": track.candidate_status,
        "regime": ranking.regime,
        "regime_confidence": ranking.regime_confidence,
    }
    manifest = {**facts, "selection_meta_fields": list(META_FIELDS), "artifacts": paths}
    manifest_path = f"{version}/{RELEASE_MANIFEST}"
    write_file(folder / manifest_path, to_json(manifest))
    return {
        **facts,
        "has_selection_meta": True,
        "live_pool_path": paths["live_pool"],
        "live_pool_legacy_path": paths["live_pool_legacy"],
        "release_manifest_path": manifest_path,
    }


def build_tracks(panel: Panel, folder: Path) -> list[History]:
    """Write both tracks, their summary and the baseline's history below `folder`."""
    root = folder / TRACKS_DIR
    histories = [write_history(panel, t, root / t.track_id) for t in TRACKS]
    rows = [summary(history, folder) for history in histories]
    write_file(root / "track_summary.csv", to_csv(SUMMARY_COLUMNS, rows))
    _copy(root / BASELINE.track_id, folder / RELEASES_DIR)
    _record(histories)
    for history in histories:
        log.info(
            "livepool.shadow_built",
            track=history.track.track_id,
            releases=len(history.releases),
            mean_churn=history.mean_churn,
            by_rule_alone=history.by_rule_alone,
        )
    return histories


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def summary(history: History, folder: Path) -> dict[str, Any]:
    """Return the row of track_summary.csv; paths are below the project's root."""
    track = history.track
    return {
        "track_id": track.track_id,
        "profile_name": track.profile,
        "target_mode": track.target,
        "source_track": track.source_track,
        "candidate_status": track.candidate_status,
        "release_count": len(history.releases),
        "first_as_of_date": history.first,
        "last_as_of_date": history.last,
        "release_index_path": _shown(folder / TRACKS_DIR / track.track_id / INDEX),
    }


def _shown(path: Path) -> str:
    root = Path(settings.SITE_DIR)
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _record(histories: list[History]) -> None:
    with transaction.atomic():
        for history in histories:
            ShadowTrack.objects.update_or_create(
                track_id=history.track.track_id,
                mode=history.mode,
                defaults={
                    "profile": history.track.profile,
                    "target": history.track.target,
                    "source_track": history.track.source_track,
                    "candidate_status": history.track.candidate_status,
                    "release_count": len(history.releases),
                    "first_as_of_date": history.first,
                    "last_as_of_date": history.last,
                    "mean_churn": history.mean_churn,
                    "releases": list(history.releases),
                    "built_at": clock.now(),
                },
            )
