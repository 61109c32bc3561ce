"""Run the monthly build: live files, a dry run of the publication, both tracks."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings

from core import clock
from core.files import write_file
from livepool import artifacts
from livepool.artifacts import RELEASE_MANIFEST, to_json
from livepool.model.parameters import BASELINE, TRACKS
from livepool.model.pipeline import Ranking
from livepool.models import Release, ShadowTrack
from livepool.release import build, publish, rules, schedule
from livepool.shadow import history as shadow
from livepool.shadow import review
from livepool.shadow.history import TRACKS_DIR, History

SUMMARY = "monthly_shadow_build_summary.json"
REVIEW = "monthly_review.md"


@dataclass(frozen=True)
class MonthlyBuild:
    """The files that one monthly build wrote to `folder`."""

    folder: Path
    ranking: Ranking
    histories: tuple[History, ...]


def run(
    *,
    mode: str | None = None,
    shadow_mode: str | None = None,
    as_of: date | None = None,
    parquet: Path | None = None,
    metadata: Path | None = None,
    folder: Path | None = None,
    publish_dry_run: bool = True,
) -> MonthlyBuild:
    """Refresh the live files, check the publication, rebuild the tracks, write reports.

    Nothing is published and no store is touched. Raises what
    `build.build` and `publish.publish` raise.
    """
    target = folder or build.output_dir()
    panel = build.panel(mode=mode, as_of=as_of, parquet=parquet, metadata=metadata)
    ranking = build.build_from(panel, as_of=as_of, folder=target)
    if publish_dry_run:
        publish.publish(
            folder=target,
            mode=ranking.mode,
            dry_run=True,
            allow_stale=as_of is not None,
        )
    else:
        rules.validate_folder(
            target, publish.expectations(mode=ranking.mode, allow_stale=True)
        ).raise_for_errors()

    shadow_panel = panel
    if shadow_mode not in {None, panel.mode}:
        shadow_panel = build.panel(
            mode=shadow_mode,
            as_of=ranking.as_of_date,
            parquet=parquet,
            metadata=metadata,
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


def run_due() -> MonthlyBuild | None:
    """Run for this month's day, if its release is published and the tracks lack it.

    Safe to repeat; None when there is nothing to do. Raises what `run` raises.
    """
    as_of, mode = schedule.due_date(clock.now()), build.default_mode()
    if not settings.ENV.publish_enabled or not schedule.has_release(as_of):
        return None
    known = ShadowTrack.objects.filter(mode=mode, last_as_of_date__gte=as_of)
    if known.count() >= len(TRACKS):
        return None
    return run(as_of=as_of)


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
