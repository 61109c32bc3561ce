"""Turn candles into a ranking: universe, features, models, blend. No Django."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl

from livepool.errors import LivePoolError
from livepool.model import features, labels, rank_coins, regime, training, universe
from livepool.model import parameters as settings
from livepool.model.market_context import with_context
from livepool.model.parameters import LivePoolConfig


class BuildError(LivePoolError):
    """No pool can be built from these candles; the message says why."""

    code = "livepool_build"
    status = 422


@dataclass(frozen=True)
class Panel:
    """Features and membership of every symbol and date, shared by all rankings."""

    mode: str
    config: LivePoolConfig
    rows: pl.DataFrame
    refreshes: tuple[universe.Refresh, ...]
    bases: dict[str, str]

    @property
    def dates(self) -> list[date]:
        return self.rows["date"].unique().sort().to_list()


@dataclass(frozen=True)
class Ranking:
    """The members of one date in order, and the scores behind the order."""

    mode: str
    as_of_date: date
    rows: pl.DataFrame
    universe: tuple[str, ...]
    symbol_map: dict[str, str]
    regime: str
    regime_confidence: float
    warnings: tuple[str, ...]
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.rows.filter("selected_flag")["symbol"])


def build_panel(
    candles: pl.DataFrame,
    *,
    mode: str,
    as_of: date,
    config: LivePoolConfig = settings.DEFAULT,
    metadata: pl.DataFrame | None = None,
) -> Panel:
    """Build features, universe, context and regime of all dates up to `as_of`.

    `candles` have the columns of `features.CANDLE_SCHEMA`, complete UTC days only.
    Raises BuildError when there are none, FeatureError without the benchmark.
    """
    gates = settings.gates(mode)
    known = features.tidy(candles.filter(pl.col("date") <= as_of))
    if known.is_empty():
        raise BuildError(f"there are no candles up to {as_of}; load the history first")
    rows = features.symbol_features(known, config.features)
    refreshes = universe.history(rows, gates, config.universe, metadata)
    rows = universe.with_membership(rows, refreshes)
    rows = regime.with_regime(with_context(rows, config.features))
    bases = universe.eligible_symbols(
        rows["symbol"].unique().to_list(), gates, config.universe, metadata
    )
    return Panel(mode, config, rows, tuple(refreshes), bases)


def _members(panel: Panel, target: str) -> pl.DataFrame:
    """Return members' rows with labels, when those were known, and the rule score."""
    wanted = replace(panel.config.labels, target=target)
    rows = training.with_label_ends(labels.with_labels(panel.rows, wanted), wanted)
    return rank_coins.with_rule_score(rows.filter("in_universe"), panel.config.ranking)


def _blend(
    members: pl.DataFrame, predictions: pl.DataFrame, config: LivePoolConfig
) -> pl.DataFrame:
    joined = members.join(
        predictions, on=["date", "symbol"], how="left", maintain_order="left"
    )
    return rank_coins.rank(joined, config.ranking)


def rank_live(panel: Panel) -> Ranking:
    """Rank the members of the panel's last date with models trained up to it.

    Raises BuildError if the benchmark has no candle on that date or there are fewer
    members than a pool needs. Findings that need attention but stop nothing are in
    `warnings`.
    """
    config, dates = panel.config, panel.dates
    as_of = dates[-1]
    today = panel.rows.filter(pl.col("date") == as_of)
    if settings.BENCHMARK not in today["symbol"]:
        raise BuildError(f"{settings.BENCHMARK} has no candle on {as_of}")
    members = _members(panel, config.labels.target)
    window = training.live_window(dates, config.labels, config.models)
    predictions = (
        training.predict(members, window, config.models)
        if window
        else pl.DataFrame(schema=training.PREDICTIONS)
    )
    rows = _blend(members.filter(pl.col("date") == as_of), predictions, config)
    size = config.ranking.pool_size
    if rows.height < size:
        raise BuildError(
            f"the universe of {as_of} had {rows.height} members with candles; "
            f"a pool needs {size}. Check the history and the gates of {panel.mode}."
        )
    in_universe = panel.refreshes[-1].members
    symbols = rows["symbol"].to_list()
    return Ranking(
        mode=panel.mode,
        as_of_date=as_of,
        rows=rows,
        universe=tuple(sorted(symbols)),
        symbol_map={
            s: panel.bases.get(s, universe.base_asset(s))
            for s in rows.filter("selected_flag")["symbol"]
        },
        regime=rows["regime"][0],
        regime_confidence=rows["regime_confidence"][0],
        warnings=_warnings(rows, set(in_universe) - set(symbols), size),
        refused=universe.refusals(
            panel.rows, as_of, settings.gates(panel.mode), panel.bases
        ),
    )


def _warnings(rows: pl.DataFrame, absent: set[str], size: int) -> tuple[str, ...]:
    found = []
    if rows["ml_score_raw"].null_count() == rows.height:
        found.append("too little history to train the models: ranked by rule alone")
    if absent:
        found.append(f"members without a candle: {', '.join(sorted(absent))}")
    if rows.height < 2 * size:
        found.append(f"the universe has {rows.height} members, under twice the pool")
    return tuple(found)


def rank_history(
    panel: Panel, *, target: str, only: Sequence[date] | None = None
) -> pl.DataFrame:
    """Rank all dates (or `only` those) by walk-forward predictions."""
    members = _members(panel, target)
    predictions = training.walk_forward(
        members, panel.dates, panel.config.labels, panel.config.models
    )
    if only is not None:
        members = members.filter(pl.col("date").is_in(list(only)))
    return _blend(members, predictions, panel.config)
