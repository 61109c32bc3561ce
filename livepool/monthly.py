"""The monthly entry point: live files, a dry run of the publication, both tracks."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from core.files import write_file
from livepool import artifacts, build, contract, pipeline, release, review, shadow
from livepool.artifacts import RELEASE_MANIFEST, to_json
from livepool.config import BASELINE
from livepool.models import Release
from livepool.pipeline import Ranking
from livepool.shadow import TRACKS_DIR, History

SUMMARY = "monthly_shadow_build_summary.json"
REVIEW = "monthly_review.md"


@dataclass(frozen=True)
class MonthlyBuild:
    """What one run of the entry point left in `folder`."""

    folder: Path
    ranking: Ranking
    histories: tuple[History, ...]


def run(
    *,
    mode: str | None = None,
    shadow_mode: str | None = None,
    as_of: date | None = None,
    parquet: Path | None = None,
    folder: Path | None = None,
    publish_dry_run: bool = True,
) -> MonthlyBuild:
    """Refresh the live files, check the publication, rebuild the tracks, write reports.

    Nothing is published and no store is touched. Raises what `build.build` and
    `release.publish` raise.
    """
    target = folder or build.output_dir()
    ranking = build.build(mode=mode, as_of=as_of, parquet=parquet, folder=target)
    if publish_dry_run:
        release.publish(
            folder=target,
            mode=ranking.mode,
            dry_run=True,
            allow_stale=as_of is not None,
        )
    else:
        contract.validate_folder(
            target, release.expectations(mode=ranking.mode, allow_stale=True)
        ).raise_for_errors()
    candles = build.load_candles(ranking.as_of_date, parquet)
    panel = pipeline.build_panel(candles, mode=ranking.mode, as_of=ranking.as_of_date)
    shadow_panel = (
        panel
        if shadow_mode in {None, panel.mode}
        else pipeline.build_panel(
            candles, mode=str(shadow_mode), as_of=ranking.as_of_date
        )
    )
    histories = tuple(shadow.build_tracks(shadow_panel, target))
    summary = _summary(target, ranking, histories)
    write_file(target / SUMMARY, to_json(summary) + b"\n")
    before = Release.objects.published().filter(as_of_date__lt=ranking.as_of_date)
    previous = before.newest_first().first()
    text = review.markdown(
        panel,
        ranking,
        previous=previous.symbols if previous else (),
        previous_version=previous.version if previous else "",
        histories=histories,
    )
    write_file(target / REVIEW, text.encode())
    return MonthlyBuild(target, ranking, histories)


def _summary(
    folder: Path, ranking: Ranking, histories: tuple[History, ...]
) -> dict[str, Any]:
    manifest = folder / RELEASE_MANIFEST
    return {
        "as_of_date": ranking.as_of_date.isoformat(),
        "official_baseline": {
            "profile": BASELINE.profile,
            "source_track": BASELINE.source_track,
            "candidate_status": BASELINE.candidate_status,
            "version": artifacts.version_of(ranking.as_of_date, ranking.mode),
            "mode": ranking.mode,
            "pool_size": len(ranking.symbols),
            "live_pool_path": str(folder / artifacts.FILES["live_pool"]),
            "live_pool_legacy_path": str(folder / artifacts.FILES["live_pool_legacy"]),
            "publish_manifest_path": str(manifest) if manifest.exists() else None,
        },
        "shadow_candidate_tracks": {
            "root_dir": str(folder / TRACKS_DIR),
            "track_summary_path": str(folder / TRACKS_DIR / "track_summary.csv"),
            "tracks": [shadow.summary(history, folder) for history in histories],
        },
    }
