"""Blend, confidence, ties; purged training; no look-ahead; same bytes."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from livepool import artifacts
from livepool.model import (
    features,
    market_context,
    parameters,
    pipeline,
    rank_coins,
    regressors,
    training,
    universe,
)
from livepool.model import labels as labelling
from livepool.model.features import FeatureError
from livepool.model.pipeline import BuildError
from tests.livepool import golden
from tests.livepool.conftest import market

DAY = date(2026, 3, 13)


def scored(**columns):
    """Rows for `rank_coins.rank`: equal in everything that is not given."""
    size = len(next(iter(columns.values())))
    base = {
        "date": [DAY] * size,
        "symbol": [f"C{n}USDT" for n in range(size)],
        "rule_score": [0.5] * size,
        "linear_score_raw": [0.0] * size,
        "ml_score_raw": [0.0] * size,
        "regime": ["risk_off"] * size,
        "liquidity_stability": [0.9] * size,
        "avg_quote_vol_180": [1e8] * size,
    }
    return rank_coins.rank(
        pl.DataFrame(
            {**base, **columns},
            schema_overrides={
                "linear_score_raw": pl.Float64,
                "ml_score_raw": pl.Float64,
            },
        ),
        parameters.DEFAULT.ranking,
    )


def test_the_published_fixture_is_reproduced():
    """Percentiles of seven names blend as the published ranking says."""
    rows = scored(
        rule_score=[7, 5, 4, 6, 3, 2, 1],
        linear_score_raw=[7, 5, 4, 2, 3, 6, 1],
        ml_score_raw=[5, 6, 7, 2, 4, 3, 1],
    )
    assert rows["symbol"].to_list()[:5] == [f"C{n}USDT" for n in range(5)]
    assert [round(v, 2) for v in rows["final_score"]] == [
        *(0.93, 0.75, 0.68, 0.57, 0.46, 0.46, 0.14)
    ]
    assert [round(v, 2) for v in rows["confidence"]] == [
        *(0.74, 0.7, 0.45, 0.26, 0.53, 0.27, 0.89)
    ]
    assert rows["current_rank"].to_list() == [1, 2, 3, 4, 5, 6, 7]
    assert rows["selected_flag"].to_list() == [True] * 5 + [False] * 2


@pytest.mark.parametrize(
    "columns",
    [
        {"liquidity_stability": [0.5, 0.9]},
        {"avg_quote_vol_180": [1e7, 1e8]},
        {"symbol": ["BUSDT", "AUSDT"]},
    ],
)
def test_ties_fall_in_the_stated_order(columns):
    rows = scored(**columns)
    assert rows["final_score"].n_unique() == 1
    assert rows["symbol"][0] == columns.get("symbol", ["", "C1USDT"])[1]


def test_stability_decides_a_tie_before_volume_does():
    rows = scored(liquidity_stability=[0.8, 0.9], avg_quote_vol_180=[1e9, 1e8])
    assert rows["symbol"].to_list() == ["C1USDT", "C0USDT"]


def test_each_day_is_ranked_by_itself_and_days_come_in_their_order():
    later = DAY + timedelta(days=1)
    rows = scored(date=[later, DAY, later, DAY], rule_score=[0.9, 0.1, 0.2, 0.8])
    assert rows.select("date", "symbol", "current_rank").rows() == [
        *((DAY, "C3USDT", 1), (DAY, "C1USDT", 2)),
        *((later, "C0USDT", 1), (later, "C2USDT", 2)),
    ]


def test_an_unknown_tie_breaker_comes_after_a_known_one():
    rows = scored(liquidity_stability=[None, 0.1])
    assert rows["symbol"].to_list() == ["C1USDT", "C0USDT"]


def test_percentiles_and_sums_have_the_reference_s_last_digits():
    """k/11 is divided, not multiplied by a rounded 1/11; sums go from the left."""
    order = [float(n) for n in range(1, 12)]
    rows = scored(rule_score=order, linear_score_raw=order, ml_score_raw=order)
    assert rows["rule_score"].to_list() == [n / 11 for n in range(11, 0, -1)]
    expected = [
        (0.5 * (n / 11) + 0.25 * (n / 11) + 0.25 * (n / 11)) / (0.5 + 0.25 + 0.25)
        for n in range(11, 0, -1)
    ]
    assert rows["final_score"].to_list() == expected


@pytest.mark.parametrize("unit", [1.0, 3.0, 7.0, 0.1])
def test_a_price_that_stands_still_is_not_above_its_average(unit):
    """Whatever its unit: an average of equal values differs in its last digit."""
    frame = market(400, ("ADA", "SOL"))
    flat = pl.when(pl.col("symbol") != "SOLUSDT").then
    frame = frame.with_columns(
        flat(pl.col(name)).otherwise(0.1).alias(name) * unit
        for name in ("open", "high", "low", "close")
    )
    panel = features.symbol_features(features.tidy(frame), parameters.FeatureConfig())
    last = panel.filter(symbol="SOLUSDT").row(-1, named=True)
    assert last["trend_persist_90"] == 0.0
    assert last["risk_adjusted_momentum"] is None
    assert last["rs_risk_adj"] is None
    assert last["rolling_corr_to_btc"] is None


def test_breadth_is_known_from_five_names_on():
    def breadth(bases):
        frame = market(70, bases)
        panel = features.symbol_features(
            features.tidy(frame), parameters.FeatureConfig()
        )
        everybody = panel.with_columns(in_universe=pl.col("symbol") != "BTCUSDT")
        rows = market_context.with_context(everybody, parameters.FeatureConfig())
        return rows["breadth_above_sma60"].tail(1).is_not_null().item()

    five = ("ADA", "ETH", "LTC", "SOL", "TRX")
    assert breadth(five)
    assert not breadth(five[:4])


def test_candles_are_sorted_by_symbol_and_then_by_day():
    days = [date(2026, 3, 1 + n) for n in range(3)]
    given = [("BCHUSDT", days[0]), ("ADAUSDT", days[1]), ("BCHUSDT", days[2])]
    frame = pl.DataFrame(
        {
            "symbol": [symbol for symbol, _ in given],
            "date": [day for _, day in given],
            **{
                name: [1.0, 2.0, 3.0]
                for name, kind in features.CANDLE_SCHEMA.items()
                if kind == pl.Float64
            },
        }
    )
    assert features.tidy(frame).select("symbol", "date", "close").rows() == [
        ("ADAUSDT", days[1], 2.0),
        ("BCHUSDT", days[0], 1.0),
        ("BCHUSDT", days[2], 3.0),
    ]


def test_of_two_candles_of_one_day_the_last_given_counts():
    frame = market(3, ())
    again = frame.slice(1, 1).with_columns(close=pl.lit(42.0))
    rows = features.tidy(pl.concat([frame, again]))
    assert rows["date"].to_list() == frame["date"].to_list()
    assert rows["close"].to_list() == [frame["close"][0], 42.0, frame["close"][2]]


def test_weights_of_unknown_components_are_spread():
    rows = scored(
        rule_score=[2.0, 1.0],
        linear_score_raw=[None, None],
        ml_score_raw=[None, None],
    )
    assert rows["final_score"].to_list() == [1.0, 0.5]
    assert rows["confidence"].to_list() == pytest.approx([0.4, 0.0])
    assert rows["linear_score"].null_count() == 2


def test_float_noise_does_not_split_a_tie():
    rows = scored(linear_score_raw=[0.1 + 0.2, 0.3], ml_score_raw=[1.0, 1.0])
    assert rows["linear_score"].to_list() == [0.75, 0.75]


def test_an_unknown_feature_of_the_scheme_is_named(panel):
    members = panel.rows.filter("in_universe").drop("ma200_slope")
    with pytest.raises(ValueError, match="ma200_slope"):
        rank_coins.with_rule_score(members, parameters.DEFAULT.ranking)


def test_features_do_not_look_ahead(candles, panel):
    """What later days bring changes nothing, up to the last day there is.

    On that day alone the universe is looked at anew, as on the last of a month.
    """
    cut = candles["date"].min() + timedelta(days=900)
    early = pipeline.build_panel(candles, mode="core_major", as_of=cut)
    own = [name for name in features.MODEL_FEATURES if name not in golden.CONTEXT]
    for columns, days in (
        (own, pl.col("date") <= cut),
        (golden.CONTEXT, pl.col("date") < cut),
    ):
        assert_frame_equal(
            early.rows.filter(days).select("date", "symbol", *columns),
            panel.rows.filter(days).select("date", "symbol", *columns),
            check_exact=True,
        )


def test_the_order_of_the_candles_does_not_matter(candles, files):
    shuffled = candles.sample(fraction=1.0, shuffle=True, seed=1)
    again = pipeline.rank_live(
        pipeline.build_panel(shuffled, mode="core_major", as_of=candles["date"].max())
    )
    assert artifacts.render(again) == files


def test_no_label_of_a_training_row_reaches_the_scored_dates(panel):
    labels, models = panel.config.labels, panel.config.models
    dates = panel.dates
    live = training.live_window(dates, labels, models)
    assert dates.index(live.test_start) - dates.index(live.train_end) == 90
    windows = training.walk_forward_windows(dates, labels, models)
    assert [dates.index(w.test_start) for w in windows] == [720, 780, 840, 900]
    assert windows[-1].test_end == dates[-1]
    for window in windows:
        assert dates.index(window.test_start) - dates.index(window.train_end) == 91
        assert window.known_by < window.test_start
    members = pipeline._members(panel, "blended_rank_pct")
    ends = members.filter(pl.col("date") <= live.train_end)["label_end"]
    assert ends.max() <= live.known_by


def test_a_peer_with_a_gap_keeps_the_whole_date_out_of_training():
    frame = market(200)
    gap = frame["date"].min() + timedelta(days=120)
    frame = frame.filter((pl.col("symbol") != "ADAUSDT") | (pl.col("date") != gap))
    rows = features.symbol_features(features.tidy(frame), parameters.FeatureConfig())
    rows = rows.with_columns((pl.col("symbol") != "BTCUSDT").alias("in_universe"))
    labels = parameters.LabelConfig()
    ends = training.with_label_ends(rows, labels).filter(
        (pl.col("date") == frame["date"].min() + timedelta(days=50))
        & pl.col("in_universe")
    )
    assert ends["label_end"].unique().to_list() == [
        frame["date"].min() + timedelta(days=141)
    ]


def test_too_little_history_ranks_by_rule_and_says_so(panel):
    models = replace(panel.config.models, min_train_rows=10**9)
    short = replace(panel, config=replace(panel.config, models=models))
    found = pipeline.rank_live(short)
    assert found.warnings[0].startswith("too little history to train")
    assert found.rows["linear_score"].null_count() == found.rows.height


def test_ridge_is_the_textbook_solution():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 3)) * [1, 10, 0.1] + 5, rng.normal(size=50)
    z = (x - x.mean(0)) / x.std(0)
    augmented = np.vstack(
        [np.c_[np.ones(50), z], np.c_[np.zeros(3), 2**0.5 * np.eye(3)]]
    )
    target = np.concatenate([y, np.zeros(3)])
    expected = np.c_[np.ones(50), z] @ np.linalg.lstsq(augmented, target)[0]
    assert regressors.ridge(x, y, x, parameters.ModelConfig()) == pytest.approx(
        expected
    )


def test_a_constant_column_and_unknown_values_do_no_harm():
    x = np.array([[1.0, np.nan, 2.0], [2.0, np.nan, 2.0], [np.inf, np.nan, 2.0]])
    train, score = regressors.impute(x, np.array([[np.nan, 7.0, np.nan]]))
    assert train.tolist() == [[1.0, 0.0, 2.0], [2.0, 0.0, 2.0], [1.5, 0.0, 2.0]]
    assert score.tolist() == [[1.5, 7.0, 2.0]]
    y = np.array([0.0, 1.0, 0.5])
    assert np.isfinite(
        regressors.ridge(train, y, score, parameters.ModelConfig())
    ).all()


@pytest.mark.parametrize(
    ("symbols", "passing"),
    [
        (["JUPUSDT", "SUPERUSDT", "SYRUPUSDT"], {"JUPUSDT", "SUPERUSDT", "SYRUPUSDT"}),
        (["ETHUSDT", "ETHUPUSDT", "ETHBEARUSDT"], {"ETHUSDT"}),
        (["BTCUSDT", "BNBUSDT", "USDCUSDT", "ETHBTC"], set()),
        (
            ["PEPEUSDT", "1000PEPEUSDT", "1000XUSDT", "1INCHUSDT"],
            {"1000XUSDT", "1INCHUSDT"},
        ),
    ],
)
def test_static_filters_are_by_name_never_by_substring(symbols, passing):
    gates = parameters.gates("core_major")
    found = universe.eligible_symbols(symbols, gates, parameters.UniverseConfig())
    assert set(found) == passing


def test_high_noise_coins_are_only_kept_out_of_core_major():
    gates = parameters.gates("broad_liquid")
    found = universe.eligible_symbols(["PEPEUSDT"], gates, parameters.UniverseConfig())
    assert found == {"PEPEUSDT": "PEPE"}


def test_a_run_on_the_first_does_not_confirm_twice():
    days = [date(2024, 7, 30) + timedelta(days=n) for n in range(3)]
    assert universe.month_ends(days) == [days[0], days[1], days[2]]
    assert universe.refresh_dates(days) == [days[0], days[2]]


def test_unknown_names_are_refused_with_the_known_ones(panel):
    with pytest.raises(ValueError, match="give one of core_major, broad_liquid"):
        parameters.gates("core")
    with pytest.raises(ValueError, match="give one of blended_rank_pct"):
        labelling.with_labels(panel.rows, parameters.LabelConfig(target="return"))


def test_what_cannot_be_built_says_why(candles):
    last = candles["date"].max()
    without = candles.filter(pl.col("symbol") != "BTCUSDT")
    with pytest.raises(FeatureError, match="no BTCUSDT"):
        pipeline.build_panel(without, mode="core_major", as_of=last)
    with pytest.raises(BuildError, match="load the history first"):
        pipeline.build_panel(candles, mode="core_major", as_of=date(2000, 1, 1))
    with pytest.raises(FeatureError, match="lack the columns quote_volume"):
        features.tidy(candles.drop("quote_volume"))
    early = pipeline.build_panel(
        candles, mode="core_major", as_of=candles["date"].min() + timedelta(days=100)
    )
    with pytest.raises(BuildError, match="a pool needs 5"):
        pipeline.rank_live(early)


def test_future_ranks_count_members_only(panel):
    rows = labelling.with_labels(panel.rows, panel.config.labels)
    others = rows.filter(~pl.col("in_universe"))
    assert others["future_rank_pct_30"].null_count() == others.height
    known = rows.filter(pl.col("future_rank_pct_30").is_not_null())
    assert known.group_by("date").agg(pl.col("future_topk_label_30").sum())[
        "future_topk_label_30"
    ].unique().to_list() == [3.0]
