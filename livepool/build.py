"""Build the files of one release: candles to artifacts, checked, then written whole."""

from datetime import date
from pathlib import Path

import polars as pl
import structlog
from django.conf import settings

from feeds import clock
from livepool import artifacts, candles, contract, pipeline
from livepool import config as pool_config
from livepool.artifacts import RELEASE_MANIFEST, SIGNATURE
from livepool.config import LivePoolConfig
from livepool.errors import LivePoolError
from livepool.pipeline import Ranking

log = structlog.get_logger(__name__)


def output_dir() -> Path:
    return Path(settings.BASE_DIR / settings.ENV.livepool_output_dir)


def default_mode() -> str:
    return str(settings.ENV.publish_mode)


def daily_source() -> str:
    """Feed source of the daily candles."""
    return str(settings.ENV.livepool_source or settings.ENV.feed_source)


def load_candles(until: date, parquet: Path | None = None) -> pl.DataFrame:
    """Candles of the site's tape, or of a file, up to the day `until`."""
    if parquet is not None:
        return candles.from_parquet(parquet, until=until)
    return candles.from_tape(source=daily_source(), until=until)


def build(
    *,
    mode: str | None = None,
    as_of: date | None = None,
    parquet: Path | None = None,
    metadata: pl.DataFrame | None = None,
    folder: Path | None = None,
    allow_stale: bool = False,
    config: LivePoolConfig = pool_config.DEFAULT,
) -> Ranking:
    """Rank the pool as of a complete UTC day and write its five files to `folder`.

    The last complete day is the default; a day that is not over is refused. Nothing is
    written unless the files keep the contract. Raises LivePoolError, BuildError,
    FeatureError or ContractError.
    """
    newest = candles.last_complete_day()
    day = as_of or newest
    if day > newest:
        raise LivePoolError(f"as-of was {day}; the last complete UTC day is {newest}")
    panel = pipeline.build_panel(
        load_candles(day, parquet),
        mode=mode or default_mode(),
        as_of=day,
        config=config,
        metadata=metadata,
    )
    ranking = pipeline.rank_live(panel)
    files = artifacts.render(ranking, selection_meta=config.include_selection_meta)
    contract.validate(
        files,
        contract.Expectations(
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
