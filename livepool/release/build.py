"""Build the files of one release: rank candles, check the files, write all or none."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import structlog
from django.conf import settings

from core import clock
from livepool import artifacts, candles
from livepool.artifacts import RELEASE_MANIFEST, SIGNATURE
from livepool.errors import LivePoolError
from livepool.model import parameters as pool_config
from livepool.model import pipeline
from livepool.model.parameters import LivePoolConfig
from livepool.model.pipeline import Panel, Ranking
from livepool.release import rules
from livepool.release.release_files import ReleaseFiles

log = structlog.get_logger(__name__)


def output_dir() -> Path:
    return Path(settings.SITE_DIR / settings.ENV.livepool_output_dir)


def default_mode() -> str:
    return str(settings.ENV.publish_mode)


def site_config() -> LivePoolConfig:
    """Return the pool's parameters with the symbols that this site excludes."""
    config = pool_config.DEFAULT
    excluded = config.universe.excluded_symbols | settings.ENV.excluded_symbols
    return replace(config, universe=replace(config.universe, excluded_symbols=excluded))


def complete_day(as_of: date | None) -> date:
    """Return `as_of`, or the last complete day; LivePoolError if it is not over."""
    newest = candles.last_complete_day()
    if as_of is not None and as_of > newest:
        raise LivePoolError(f"as-of was {as_of}; the last complete UTC day is {newest}")
    return as_of or newest


def check_age(day: date) -> None:
    """Raise LivePoolError if a release of `day` would be older than the limit now."""
    age = (clock.now().date() - day).days
    limit = pool_config.DEFAULT.max_age_days
    if age > limit:
        raise LivePoolError(
            f"a release of {day} is {age} days old and the limit is {limit}, so its "
            "readers would refuse it; --as-of DATE builds the files of a past day, "
            "--allow-stale accepts its age"
        )


def panel(
    *,
    mode: str | None = None,
    as_of: date | None = None,
    parquet: Path | None = None,
    metadata: Path | None = None,
    config: LivePoolConfig | None = None,
) -> Panel:
    """Build the panel from this site's tape, or from files; every release starts here.

    Raises LivePoolError, BuildError or FeatureError.
    """
    day = complete_day(as_of)
    return pipeline.build_panel(
        load_candles(day, parquet),
        mode=mode or default_mode(),
        as_of=day,
        config=config or site_config(),
        metadata=candles.read_metadata(metadata) if metadata else None,
    )


def load_candles(until: date, parquet: Path | None = None) -> pl.DataFrame:
    """Load the candles of the site's tape, or of a file, up to the day `until`."""
    if parquet is not None:
        return candles.from_parquet(parquet, until=until)
    return candles.from_tape(source=candles.daily_source(), until=until)


def build(
    *,
    mode: str | None = None,
    as_of: date | None = None,
    parquet: Path | None = None,
    metadata: Path | None = None,
    folder: Path | None = None,
    allow_stale: bool = False,
    config: LivePoolConfig | None = None,
) -> Ranking:
    """Rank the pool as of a complete UTC day and write its five files to `folder`.

    The last complete day is the default. Raises as `panel` and `build_from` do.
    """
    return build_from(
        panel(
            mode=mode, as_of=as_of, parquet=parquet, metadata=metadata, config=config
        ),
        as_of=as_of,
        folder=folder,
        allow_stale=allow_stale,
    )


def build_from(
    panel: Panel,
    *,
    as_of: date | None = None,
    folder: Path | None = None,
    allow_stale: bool = False,
) -> Ranking:
    """Rank the last day of a panel and write the five files to `folder`.

    `as_of` is the day for which the panel was built. A day that is not over is refused;
    so are candles that end too long ago, without `as_of` or `allow_stale`. Nothing is
    written unless the files keep the contract. Raises LivePoolError, BuildError,
    FeatureError or ReleaseContractError.
    """
    config = panel.config
    day = complete_day(as_of)
    if as_of is None and not allow_stale:
        check_age(panel.dates[-1])
    ranking = pipeline.rank_live(panel)
    files = artifacts.render(ranking, selection_meta=config.include_selection_meta)
    rules.validate(
        ReleaseFiles(files),
        rules.Expectations(
            reference_date=clock.now().date(),
            mode=ranking.mode,
            pool_size=config.ranking.pool_size,
            max_age_days=config.max_age_days,
            require_freshness=as_of is None and not allow_stale,
        ),
    ).raise_for_errors()
    target = folder or output_dir()
    for leftover in (RELEASE_MANIFEST, SIGNATURE):
        (target / leftover).unlink(missing_ok=True)
    artifacts.write_files(target, files)
    log.info(
        "livepool.built",
        version=artifacts.version_of(ranking.as_of_date, ranking.mode),
        symbols=list(ranking.symbols),
        regime=ranking.regime,
        warnings=list(ranking.warnings),
    )
    if ranking.as_of_date < day:
        log.warning(
            "livepool.candles_behind", as_of=str(ranking.as_of_date), asked=str(day)
        )
    return ranking
