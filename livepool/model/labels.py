"""Compute the models' targets: the rank of a coin's future return. Pure columns.

Every label of a date uses closes after it; a training set must therefore be purged
(see `training`).
"""

import operator
from collections.abc import Iterable
from functools import reduce

import polars as pl

from livepool.model.features import GRID
from livepool.model.parameters import LabelConfig


def rank_pct(value: pl.Expr) -> pl.Expr:
    """Return average rank / count within a date, from 1/n to 1; null stays null."""
    # Row by row: within `over` the count is a constant, and polars would multiply by
    # its rounded reciprocal.
    place, count = value.rank("average").over("date"), value.count().over("date")
    return place / count


def in_order(parts: Iterable[pl.Expr]) -> pl.Expr:
    """Sum from left to right: `pl.sum_horizontal` adds in another order."""
    return reduce(operator.add, parts)


def with_labels(panel: pl.DataFrame, config: LabelConfig) -> pl.DataFrame:
    """Add the future returns, their ranks among members, and `blended_target`.

    `panel` is sorted by symbol and date. A horizon counts rows of the symbol. In the
    blend a horizon that is unknown counts 0 at full weight; all unknown give null.
    Raises ValueError for an unknown target.
    """
    targets = {"blended_rank_pct"} | {
        f"future_{kind}_{h}"
        for kind in ("return", "rank_pct", "topk_label")
        for h in config.horizons
    }
    if config.target not in targets:
        raise ValueError(
            f"target was {config.target!r}; give one of {', '.join(sorted(targets))}"
        )
    returns = [
        (pl.col("close").shift(-h).over("symbol") / pl.col("close") - 1).alias(
            f"future_return_{h}"
        )
        for h in config.horizons
    ]
    ranks = []
    for h in config.horizons:
        value = pl.when("in_universe").then(pl.col(f"future_return_{h}").round(GRID))
        place = value.rank("ordinal", descending=True).over("date")
        ranks += [
            rank_pct(value).alias(f"future_rank_pct_{h}"),
            (place <= config.top_k).cast(pl.Float64).alias(f"future_topk_label_{h}"),
        ]
    total = sum(config.blend.values())
    blended = in_order(
        pl.col(f"future_rank_pct_{h}").fill_null(0.0) * weight
        for h, weight in config.blend.items()
    )
    known = pl.any_horizontal(
        pl.col(f"future_rank_pct_{h}").is_not_null() for h in config.blend
    )
    labelled = panel.with_columns(returns).with_columns(ranks)
    target = (
        pl.when(known).then(blended / total)
        if config.target == "blended_rank_pct"
        else pl.when("in_universe").then(pl.col(config.target))
    )
    return labelled.with_columns(target.alias("blended_target"))
