"""The parameters of the live pool, typed, in one place. Plain Python, no Django."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

BENCHMARK = "BTCUSDT"
QUOTE = "USDT"
SOURCE_PROJECT = "crypto-live-pool-pipelines"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _mapping(value: dict[Any, Any]) -> Any:
    return field(default_factory=lambda: MappingProxyType(value))


@dataclass(frozen=True)
class Gates:
    """Minimum figures of a coin on a refresh date to be a candidate (USDT per day)."""

    min_history_days: int
    min_avg_quote_vol_30: float
    min_avg_quote_vol_90: float
    min_avg_quote_vol_180: float
    min_liquidity_stability: float
    min_tradable_ratio_180: float
    min_daily_quote_vol: float = 0.0
    min_liquidity_days_90: int = 0
    min_liquidity_days_180: int = 0
    entry_confirmations: int = 1
    exit_confirmations: int = 1
    exclude_high_noise: bool = False


PROFILES = MappingProxyType(
    {
        "core_major": Gates(
            min_history_days=720,
            min_avg_quote_vol_30=8e6,
            min_avg_quote_vol_90=12e6,
            min_avg_quote_vol_180=18e6,
            min_liquidity_stability=0.55,
            min_tradable_ratio_180=0.92,
            min_daily_quote_vol=10e6,
            min_liquidity_days_90=70,
            min_liquidity_days_180=145,
            entry_confirmations=2,
            exit_confirmations=2,
            exclude_high_noise=True,
        ),
        "broad_liquid": Gates(
            min_history_days=365,
            min_avg_quote_vol_30=3e6,
            min_avg_quote_vol_90=5e6,
            min_avg_quote_vol_180=8e6,
            min_liquidity_stability=0.35,
            min_tradable_ratio_180=0.85,
        ),
    }
)
DEFAULT_MODE = "core_major"


@dataclass(frozen=True)
class UniverseConfig:
    """Static filters, by exact base asset or symbol, never by substring."""

    excluded_bases: frozenset[str] = _names(
        # The benchmark, the exchange's own coin, then money, gold and their
        # substitutes.
        "BTC BNB "
        "AEUR AUD BRL BUSD DAI EUR EURI FDUSD GBP PAX PAXG PYUSD RLUSD RUB SUSD TRY "
        "TUSD UAH USD1 USDC USDD USDE USDP USDS USDT UST USTC XAUT XUSD "
        # A pair's ratio, not a coin.
        "ETHBTC"
    )
    excluded_symbols: frozenset[str] = frozenset()
    high_noise_bases: frozenset[str] = _names(
        "BANANAS31 BONK NEIRO PEPE PENGU PUMP TRUMP TURBO WIF WLFI"
    )
    leveraged_suffixes: tuple[str, ...] = ("UP", "DOWN", "BULL", "BEAR")


@dataclass(frozen=True)
class FeatureConfig:
    """Windows in rows (one row is one complete UTC day of the symbol)."""

    atr_window: int = 14
    ulcer_window: int = 50
    drawdown_window: int = 180
    downside_window: int = 60
    beta_window: int = 60
    breadth_min_names: int = 5


@dataclass(frozen=True)
class LabelConfig:
    horizons: tuple[int, ...] = (30, 60, 90)
    top_k: int = 3
    blend: Mapping[int, float] = _mapping({30: 0.5, 60: 0.35, 90: 0.15})
    target: str = "blended_rank_pct"

    @property
    def purge_days(self) -> int:
        """Return how many dates later the label of a date is complete."""
        return max(self.horizons)


@dataclass(frozen=True)
class ModelConfig:
    ridge_alpha: float = 2.0
    lightgbm: Mapping[str, float | int | str] = _mapping(
        {
            "objective": "regression",
            "learning_rate": 0.05,
            "num_leaves": 31,
            "feature_fraction": 0.75,
            "min_data_in_leaf": 30,
        }
    )
    trees: int = 300
    seed: int = 42
    min_train_rows: int = 300
    train_dates: int = 720
    test_dates: int = 120
    step_dates: int = 60


def _weights(rule: float, linear: float, ml: float) -> Mapping[str, float]:
    return MappingProxyType(
        {"rule_score": rule, "linear_score": linear, "ml_score": ml}
    )


@dataclass(frozen=True)
class RankingConfig:
    scheme: str = "balanced_leader"
    schemes: Mapping[str, Mapping[str, float]] = _mapping(
        {
            "balanced_leader": {
                "rs_risk_adj": 0.25,
                "trend_persist_90": 0.20,
                "price_vs_sma200": 0.15,
                "ma200_slope": 0.10,
                "risk_adjusted_momentum": 0.15,
                "liquidity_stability": 0.10,
                "avg_quote_vol_180": 0.05,
            },
            "relative_strength_focus": {
                "rs_risk_adj": 0.35,
                "trend_persist_90": 0.15,
                "price_vs_sma200": 0.15,
                "dist_to_90d_high": 0.10,
                "liquidity_stability": 0.10,
                "risk_adjusted_momentum": 0.15,
            },
            "conservative_trend_quality": {
                "trend_persist_90": 0.25,
                "price_vs_sma200": 0.20,
                "ma200_slope": 0.15,
                "liquidity_stability": 0.15,
                "downside_vol_penalty": 0.10,
                "drawdown_penalty": 0.15,
            },
        }
    )
    weights: Mapping[str, Mapping[str, float]] = _mapping(
        {
            "risk_off": _weights(0.50, 0.25, 0.25),
            "btc_dominant": _weights(0.40, 0.20, 0.40),
            "broad_alt_strength": _weights(0.25, 0.15, 0.60),
            "late_momentum": _weights(0.35, 0.15, 0.50),
        }
    )
    pool_size: int = 5


@dataclass(frozen=True)
class BacktestConfig:
    """Weekly top names, inverse volatility, next open; costs per side in bps."""

    top_n: int = 3
    min_volatility: float = 0.05
    fee_bps: float = 10.0
    slippage_bps: float = 5.0
    signal_lag_days: int = 1
    score: str = "final_score"

    @property
    def cost_rate(self) -> float:
        return (self.fee_bps + self.slippage_bps) / 10_000


@dataclass(frozen=True)
class Track:
    """One shadow history: the same panel with another target."""

    track_id: str
    profile: str
    target: str
    source_track: Literal["official_baseline", "shadow_candidate"]
    candidate_status: Literal["official_reference", "shadow_candidate"]


BASELINE = Track(
    track_id="official_baseline",
    profile="baseline_blended_rank",
    target="blended_rank_pct",
    source_track="official_baseline",
    candidate_status="official_reference",
)
CHALLENGER = Track(
    track_id="challenger_topk_60",
    profile="challenger_topk_60",
    target="future_topk_label_60",
    source_track="shadow_candidate",
    candidate_status="shadow_candidate",
)
TRACKS = (BASELINE, CHALLENGER)


@dataclass(frozen=True)
class LivePoolConfig:
    universe: UniverseConfig = field(default_factory=UniverseConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    labels: LabelConfig = field(default_factory=LabelConfig)
    models: ModelConfig = field(default_factory=ModelConfig)
    ranking: RankingConfig = field(default_factory=RankingConfig)
    backtest: BacktestConfig = field(default_factory=BacktestConfig)
    max_age_days: int = 45
    activation_lag_days: int = 1
    include_selection_meta: bool = False


DEFAULT = LivePoolConfig()


def gates(mode: str) -> Gates:
    """Return the limits of a mode; ValueError names all modes for an unknown one."""
    if mode not in PROFILES:
        raise ValueError(f"mode was {mode!r}; give one of {', '.join(PROFILES)}")
    return PROFILES[mode]
