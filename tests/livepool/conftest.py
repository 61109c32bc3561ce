"""A small market that qualifies for the pool, and folders of its own."""

import pickle
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from django.conf import settings as django_settings

from core import clock
from livepool import artifacts
from livepool.model import parameters, pipeline, regressors
from livepool.stores import Stores
from livepool.stores.local import LocalDocumentStore, LocalReleaseStore

FIRST = date(2022, 1, 1)
BASES = (
    "ADA",
    "AVAX",
    "DOGE",
    "ETH",
    "LINK",
    "LTC",
    "NEAR",
    "SOL",
    "TRX",
    "XRP",
    "ZEC",
)


def current(store) -> dict[str, bytes]:
    """Return the files that a store shows as the current release."""
    if isinstance(store, LocalReleaseStore):
        return store._read(store.root / "current")
    return {name: data for name, (data, _) in store._read("current").items()}


def market(days: int, bases=BASES, seed: int = 3) -> pl.DataFrame:
    """Random walks with enough volume for every gate; one row a symbol and day."""
    rng = np.random.default_rng(seed)
    dates = [FIRST + timedelta(days=n) for n in range(days)]
    frames = []
    for base in ("BTC", *bases):
        close = 100 * np.exp(np.cumsum(rng.normal(0.0005, 0.03, days)))
        opened = np.concatenate([[100.0], close[:-1]])
        spread = np.abs(rng.normal(0, 0.01, days))
        frames.append(
            pl.DataFrame(
                {
                    "date": dates,
                    "symbol": f"{base}USDT",
                    "open": opened,
                    "high": np.maximum(opened, close) * (1 + spread),
                    "low": np.minimum(opened, close) * (1 - spread),
                    "close": close,
                    "volume": rng.uniform(1e6, 2e6, days),
                    "quote_volume": rng.uniform(4e7, 8e7, days),
                }
            )
        )
    return pl.concat(frames)


@pytest.fixture(scope="session")
def candles() -> pl.DataFrame:
    return market(1000)


@pytest.fixture(scope="session")
def panel(candles):
    last = candles["date"].max()
    return pipeline.build_panel(candles, mode="core_major", as_of=last)


@pytest.fixture(scope="session")
def ranking(panel):
    return pipeline.rank_live(panel)


@pytest.fixture(scope="session")
def files(ranking):
    return artifacts.render(ranking)


_grown: dict[tuple[bytes, str], regressors.Array] = {}
_grow = regressors.trees


@pytest.fixture
def trees_grow_once(monkeypatch):
    """Trees of the same rows are the same, so they grow once for all tests."""

    def trees(*rows_and_config):
        *rows, config = rows_and_config
        key = pickle.dumps(rows), repr(config)
        if key not in _grown:
            _grown[key] = _grow(*rows_and_config)
        return _grown[key].copy()

    monkeypatch.setattr(regressors, "trees", trees)


@pytest.fixture
def release_now(ranking):
    """Set the clock to three hours after the end of the release's day."""
    instant = artifacts.completed_at(ranking.as_of_date) + timedelta(hours=3)
    with clock.use(clock.Frozen(start=instant, anchor=instant)):
        yield instant


@pytest.fixture
def folder(tmp_path, files):
    artifacts.write_files(tmp_path / "output", files)
    return tmp_path / "output"


@pytest.fixture
def stores(tmp_path):
    return local_stores(tmp_path / "store")


def local_stores(path) -> Stores:
    return Stores(
        LocalReleaseStore(path),
        LocalDocumentStore(path, "strategy", "CRYPTO_LIVE_POOL_ROTATION_LIVE_POOL"),
    )


@pytest.fixture
def env(settings):
    """Change variables of the environment: `env(publish_enabled=False)`."""

    def change(**values):
        settings.ENV = django_settings.ENV.model_copy(update=values)

    return change


def pool_of(as_of: date, symbols, mode: str = parameters.DEFAULT_MODE):
    """Files of a small release with the given pool; for stores and the contract."""
    rows = pl.DataFrame(
        {
            "symbol": list(symbols),
            "rule_score": [1.0 - n / 10 for n in range(len(symbols))],
            "linear_score": [1.0 - n / 10 for n in range(len(symbols))],
            "ml_score": [1.0 - n / 10 for n in range(len(symbols))],
            "final_score": [1.0 - n / 10 for n in range(len(symbols))],
            "regime": "risk_off",
            "confidence": 0.5,
            "selected_flag": [n < 5 for n in range(len(symbols))],
            "current_rank": list(range(1, len(symbols) + 1)),
        }
    )
    return artifacts.render(
        pipeline.Ranking(
            mode=mode,
            as_of_date=as_of,
            rows=rows,
            universe=tuple(sorted(symbols)),
            symbol_map={s: s.removesuffix("USDT") for s in symbols},
            regime="risk_off",
            regime_confidence=0.5,
            warnings=(),
        )
    )


def frozen(instant: datetime):
    return clock.use(clock.Frozen(start=instant, anchor=instant))
