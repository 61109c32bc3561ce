"""Compute rule score, blend by regime, confidence, and the order of the pool."""

import polars as pl

from livepool.model.features import GRID
from livepool.model.labels import in_order, rank_pct
from livepool.model.parameters import RankingConfig

COMPONENTS = ("rule_score", "linear_score", "ml_score")
_GRID = 12  # decimals of scores: they are sums of k/n, and rounding must not break ties


def with_rule_score(members: pl.DataFrame, config: RankingConfig) -> pl.DataFrame:
    """Add `rule_score`: weighted percentiles of features; unknown counts 0.

    Raises ValueError when a feature of the scheme is missing.
    """
    scheme = config.schemes[config.scheme]
    missing = [name for name in scheme if name not in members.columns]
    if missing:
        raise ValueError(f"scheme {config.scheme} needs the features {missing}")
    return members.with_columns(
        in_order(
            weight * rank_pct(pl.col(name).round(GRID)).fill_null(0.0)
            for name, weight in scheme.items()
        ).alias("rule_score")
    )


def rank(members: pl.DataFrame, config: RankingConfig) -> pl.DataFrame:
    """Add percentiles of the three scores, their blend, the order and the selection.

    `members` are in-universe rows of one or more dates with `rule_score`,
    `linear_score_raw`, `ml_score_raw` (null: unknown) and `regime`. Weights of unknown
    components are spread over the known ones. Ties fall by confidence, liquidity
    stability, 180-day volume (each descending), then symbol. Sorted by date and rank.
    """
    scored = members.with_columns(
        rank_pct(pl.col("rule_score").round(_GRID)).alias("rule_score"),
        rank_pct(pl.col("linear_score_raw").round(_GRID)).alias("linear_score"),
        rank_pct(pl.col("ml_score_raw").round(_GRID)).alias("ml_score"),
    )
    weight = {
        name: pl.col("regime").replace_strict(
            {regime: weights[name] for regime, weights in config.weights.items()},
            return_dtype=pl.Float64,
        )
        for name in COMPONENTS
    }
    total = in_order(
        pl.when(pl.col(name).is_not_null()).then(weight[name]).otherwise(0.0)
        for name in COMPONENTS
    )
    blend = in_order(weight[name] * pl.col(name).fill_null(0.0) for name in COMPONENTS)
    scored = scored.with_columns(
        pl.when(total > 0).then(blend / total).alias("final_score"),
        pl.concat_list(COMPONENTS)
        .list.drop_nulls()
        .list.std()
        .fill_null(0.5)
        .clip(0.0, 0.5)
        .alias("_disagreement"),
    ).with_columns(
        (
            0.6 * (1 - 2 * pl.col("_disagreement"))
            + 0.4 * 2 * (pl.col("final_score") - 0.5).abs()
        )
        .clip(0.0, 1.0)
        .alias("confidence")
    )
    ordered = scored.sort(
        pl.col("date"),
        pl.col("final_score").round(_GRID),
        pl.col("confidence").round(_GRID),
        pl.col("liquidity_stability").round(GRID),
        pl.col("avg_quote_vol_180").round(2),
        pl.col("symbol").str.to_uppercase(),
        descending=[False, True, True, True, True, False],
        nulls_last=True,
        maintain_order=True,
    )
    place = pl.when(pl.col("final_score").is_not_null()).then(
        pl.int_range(1, pl.len() + 1).over("date")
    )
    return ordered.with_columns(
        place.alias("current_rank"),
        (place <= config.pool_size).fill_null(value=False).alias("selected_flag"),
    ).drop("_disagreement")
