"""The account of a model in a trading competition, as the site's score cycles mark it.

A cycle plays what is settled by then: the prices that closed, and the orders of the
rounds that were asked. All of it counts in the period that holds the cycle.
"""

from decimal import Decimal

import numpy as np

from ._engine.trading.account import Account
from ._engine.trading.book import Mark, Order, play
from ._engine.trading.stretch_figures import figures_of
from ._engine.trading.trading_rules import TradingRules

MODEL = "backtest"
# How long a feed that is late holds the accounts up, as on the site.
PATIENCE_S = 3600


def account_figures(rounds, rules, series):
    """Return the account's figures by the start of their period, in epoch seconds."""
    told = rules["trading"]
    book_rules = TradingRules(
        **{
            name: value if name == "signal_mode" else Decimal(value)
            for name, value in told.items()
        }
    )
    asked = [row for row in rounds if row["outcome"] is not None]
    cycle_s, length_s = rules["score_interval_s"], rules["snapshot_period_s"]
    cycles = sorted(
        {
            -(-row["known_at"] // cycle_s) * cycle_s
            for row in rounds
            if row["status"] == "RESOLVED"
        }
    )
    if not asked or not cycles:
        return {}
    since_us = _micros(asked[0]["performed_at"]) - 1
    accounts, begun, figures = {}, None, {}
    prices = dict(_last_prices(series, since_us))
    for at_s in cycles:
        until_us = _micros(_settled(series, at_s))
        if until_us <= since_us:
            continue
        start = at_s // length_s * length_s
        if begun is not None and start != begun:
            for account in accounts.values():
                account.begin_stretch()
        begun = start
        play(
            accounts,
            rules=book_rules,
            marks=_marks(series, since_us, until_us),
            orders=_orders(asked, since_us, until_us),
            prices=prices,
        )
        since_us = until_us
        if MODEL in accounts:
            account: Account = accounts[MODEL]
            figures[start] = figures_of(account, until_us - _micros(start))
    return figures


def _micros(at_s):
    return round(at_s * 1_000_000)


def _settled(series, at_s):
    """Return the newest instant by which every subject's price is known."""
    newest = []
    for each in series.values():
        place = int(np.searchsorted(each.closed_s, at_s, side="right"))
        if place:
            newest.append(float(each.closed_s[place - 1]))
    return max(min(newest, default=at_s), at_s - PATIENCE_S)


def _last_prices(series, until_us):
    for subject, each in series.items():
        place = int(np.searchsorted(each.closed_s, until_us / 1e6, side="right"))
        if place:
            yield subject, Decimal(repr(float(each.prices[place - 1])))


def _marks(series, since_us, until_us):
    for subject, each in series.items():
        first, last = np.searchsorted(
            each.closed_s, [since_us / 1e6, until_us / 1e6], side="right"
        ).tolist()
        for closed_s, price in zip(
            each.closed_s[first:last].tolist(), each.prices[first:last].tolist()
        ):
            if price > 0:
                yield Mark(_micros(closed_s), subject, Decimal(repr(price)))


def _orders(asked, since_us, until_us):
    return [
        Order(_micros(row["performed_at"]), MODEL, row["subject"], row["output"])
        for row in asked
        if row["outcome"] == "ANSWERED"
        and since_us < _micros(row["performed_at"]) <= until_us
    ]
