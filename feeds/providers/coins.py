"""What the simulated exchange lists: a market to build a live pool from.

Most coins trade enough for every gate of the pool; some do not, each for a reason of
its own, so that a fresh site shows what a refusal looks like.
"""

from dataclasses import dataclass
from datetime import date

BASE_PRICES = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0, "SOLUSDT": 150.0}


@dataclass(frozen=True)
class Coin:
    """How one coin trades. `liquidity` 1 is about 3 billion USDT a day.

    `idle` is the share of days without a trade, `fading` that of its turnover which
    comes and goes over a year.
    """

    liquidity: float = 1.0
    listed_on: date | None = None
    idle: float = 0.0
    fading: float = 0.0


LIQUID = (
    *("AAVE", "ADA", "ALGO", "APT", "ARB", "ATOM", "AVAX", "BCH", "DOGE", "DOT"),
    *("ETC", "FIL", "HBAR", "ICP", "INJ", "LINK", "LTC", "NEAR", "OP", "SUI"),
    *("TON", "TRX", "UNI", "VET", "XLM", "XRP", "ZEC"),
)
COINS = {
    **{f"{name}USDT": Coin() for name in ("BTC", "ETH", "SOL")},
    **{
        f"{name}USDT": Coin(liquidity=0.4 / (1 + place))
        for place, name in enumerate(LIQUID)
    },
    "BONKUSDT": Coin(liquidity=0.08),  # its name is on the list of noise
    "PEPEUSDT": Coin(liquidity=0.1),
    "USDCUSDT": Coin(liquidity=0.9),  # money, no coin
    "KSMUSDT": Coin(liquidity=0.002),  # too thin
    "ZILUSDT": Coin(liquidity=0.0008),
    "GALAUSDT": Coin(liquidity=0.02, fading=0.95),  # not steady
    "STORJUSDT": Coin(liquidity=0.02, idle=0.3),  # often halted
    "SEIUSDT": Coin(liquidity=0.05, listed_on=date(2026, 1, 1)),  # young
}
