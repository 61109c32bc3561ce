"""The coins of the simulated exchange: a market to build a live pool from.

Most coins trade enough for the pool's limits. Some do not, each for a different reason,
so that a fresh site shows what a refusal looks like.
"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Coin:
    """How one coin trades.

    `liquidity` 1 is about 3 billion USDT a day. `idle` is the share of days without a
    trade, `fading` the share of its turnover that varies over a year. Without a `price`
    the seed draws one.
    """

    price: float | None = None
    liquidity: float = 1.0
    listed_on: date | None = None
    idle: float = 0.0
    fading: float = 0.0


_LIQUID = {
    "XRP": 0.6,
    "DOGE": 0.15,
    "ADA": 0.5,
    "TRX": 0.12,
    "LINK": 15.0,
    "LTC": 80.0,
    "AVAX": 30.0,
    "BCH": 400.0,
    "DOT": 6.0,
    "NEAR": 5.0,
    "XLM": 0.1,
    "SUI": 1.5,
    "TON": 5.0,
    "UNI": 8.0,
    "APT": 9.0,
    "HBAR": 0.08,
    "ETC": 25.0,
    "AAVE": 100.0,
    "ICP": 10.0,
    "FIL": 5.0,
    "ATOM": 7.0,
    "ARB": 0.8,
    "OP": 1.7,
    "INJ": 22.0,
    "VET": 0.03,
    "ALGO": 0.2,
    "ZEC": 30.0,
}
COINS = {
    "BTCUSDT": Coin(60_000.0),
    "ETHUSDT": Coin(3_000.0),
    "SOLUSDT": Coin(150.0),
    **{
        f"{name}USDT": Coin(price, liquidity=0.4 / place)
        for place, (name, price) in enumerate(_LIQUID.items(), start=1)
    },
    "BONKUSDT": Coin(2e-5, liquidity=0.08),  # its name is on the list of excluded kinds
    "PEPEUSDT": Coin(1e-5, liquidity=0.1),
    "KSMUSDT": Coin(25.0, liquidity=0.002),  # too thin
    "ZILUSDT": Coin(0.02, liquidity=0.0008),
    "GALAUSDT": Coin(0.03, liquidity=0.02, fading=0.95),  # not steady
    "STORJUSDT": Coin(0.5, liquidity=0.02, idle=0.3),  # often halted
    "SEIUSDT": Coin(0.4, liquidity=0.05, listed_on=date(2026, 1, 1)),  # young
}
