"""Compute features of the whole market: the same on every row of a date."""

from typing import Any

import polars as pl

from livepool.model.features import is_above_zero
from livepool.model.parameters import FeatureConfig


def with_context(panel: pl.DataFrame, config: FeatureConfig) -> pl.DataFrame:
    """Add features of the date's universe as a whole to each row of the date.

    Needs `in_universe`. Dates with fewer than `breadth_min_names` members have nulls.
    """
    used = ("price_vs_sma60", "price_vs_sma200", "momentum_combo", "rs_combo")
    members = (
        panel.lazy()
        .filter("in_universe")
        .select("date", "symbol", *used)
        .sort("date", "symbol")
        .collect()
    )

    def share_above(column: str) -> pl.Expr:
        return is_above_zero(pl.col(column)).fill_null(value=False).mean()

    momentum = pl.col("momentum_combo")
    context: dict[str, Any] = {
        "breadth_above_sma60": share_above("price_vs_sma60"),
        "breadth_above_sma200": share_above("price_vs_sma200"),
        "universe_momentum_dispersion": momentum.std(),
        "universe_rs_dispersion": pl.col("rs_combo").std(),
        "single_leader_burst": momentum.max() - momentum.median(),
    }
    by_date = members.group_by("date", maintain_order=True).agg(
        pl.when(pl.len() >= config.breadth_min_names).then(value).alias(name)
        for name, value in context.items()
    )
    return panel.join(by_date, on="date", how="left", maintain_order="left")
