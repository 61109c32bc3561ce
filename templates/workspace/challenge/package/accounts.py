"""The account of a model in a trading competition, as the site's score cycles mark it.

A cycle plays what is settled by then: the prices that closed, and the orders of the
rounds that were asked. All of it counts in the period that holds the cycle.
"""

from decimal import Decimal

import numpy as np

from ._engine.metrics.parts import IN_PARTS, PLACES
from ._engine.rounding import rounded
from ._engine.trading.account import Account
from ._engine.trading.book import Mark, Order, play
from ._engine.trading.stretch_figures import figures_of
from ._engine.trading.trading_rules import TradingRules
from .round_columns import ANSWERED, NOT_ASKED, RESOLVED

MODEL = "backtest"
# How long a feed that is late holds the accounts up, as on the site.
PATIENCE_S = 3600


def account_figures(rounds, rules, recordings, pieces):
    """Return the account's figures by the start of their period, in epoch seconds.

    `recordings` by subject are read once more, piece by piece.
    """
    cycle_s, length_s = rules["score_interval_s"], rules["snapshot_period_s"]
    known_at = rounds.known_at[rounds.status == RESOLVED]
    cycles = np.unique(-(-known_at // cycle_s) * cycle_s).tolist()
    asked = np.flatnonzero(rounds.outcome != NOT_ASKED)
    if not len(asked) or not cycles:
        return {}
    since_us = _micros(rounds.slot_at[asked[0]]) - 1
    orders, prices = _Orders(rounds), _Prices(recordings, pieces)
    told = rules["trading"].items()
    book_rules = TradingRules(
        **{name: v if name == "signal_mode" else Decimal(v) for name, v in told}
    )
    prices.read_to(since_us / 1e6)
    accounts, begun, figures = {}, None, {}
    began_us = since_us + 1
    newest = prices.taken(since_us)
    for at_s in cycles:
        prices.read_to(at_s)
        until_us = _micros(prices.settled_s(at_s))
        if until_us <= since_us:
            continue
        start = at_s // length_s * length_s
        if begun is not None and start != begun:
            for account in accounts.values():
                account.begin_stretch()
            began_us = since_us
        begun = start
        play(
            accounts,
            rules=book_rules,
            marks=list(prices.marks_until(until_us)),
            orders=orders.until(until_us),
            prices=newest,
        )
        since_us = until_us
        if MODEL in accounts:
            account: Account = accounts[MODEL]
            figures[start] = figures_of(account, until_us - began_us)
    return figures


def _micros(at_s):
    return round(float(at_s) * 1_000_000)


def with_account(snapshot, figures, value_field):
    """Put an account's figures into a snapshot; its value is the net profit."""
    places = PLACES["max_drawdown"]
    snapshot["parts"][:, places] = figures.drawdown if figures else 0.0
    deepest = IN_PARTS["max_drawdown"].figure(snapshot["parts"][:, places])
    summary = snapshot["summary"]
    if figures:
        summary.update((n, rounded(value)) for n, value in figures.summary.items())
    summary["max_drawdown"] = rounded(float(deepest[0]))
    snapshot["value"] = summary.get("net_pnl")
    summary[value_field] = snapshot["value"]


class _Orders:
    """The answers of all rounds in order of time."""

    def __init__(self, rounds):
        self._all = self._read(rounds)
        self._next = next(self._all, None)

    def until(self, until_us):
        """Return the orders up to an instant that were not returned before."""
        found = []
        while self._next is not None and self._next.at_us <= until_us:
            found.append(self._next)
            self._next = next(self._all, None)
        return found

    def _read(self, rounds):
        subjects = [each["subject"] for each in rounds.questions]
        for number, part in enumerate(rounds.blocks):
            outputs = rounds.outputs.block(number)
            for i in np.flatnonzero(rounds.outcome[part] == ANSWERED).tolist():
                place = part.start + i
                subject = subjects[rounds.place[place]]
                at_us = _micros(rounds.slot_at[place])
                yield Order(at_us, MODEL, subject, outputs[i])


class _Prices:
    """The prices of all subjects in order of time; what was taken is forgotten."""

    def __init__(self, recordings, pieces):
        self._recordings, self._pieces = recordings, list(pieces)
        self._closed_s = {subject: np.empty(0) for subject in recordings}
        self._prices = dict(self._closed_s)
        self._newest_s, self._read_s = {}, -np.inf

    def read_to(self, at_s):
        """Read all records that close by an instant."""
        while self._pieces and self._read_s <= at_s:
            self._read_s = self._pieces.pop(0)
            for subject, each in self._recordings.items():
                each.read_to(self._read_s)
                if each.piece is None:
                    continue
                for kept, new in (
                    (self._closed_s, each.closed_s),
                    (self._prices, each.piece.prices),
                ):
                    kept[subject] = np.concatenate([kept[subject], new])

    def settled_s(self, at_s):
        """Return the newest instant by which every subject's price is known."""
        newest = []
        for subject, closed_s in self._closed_s.items():
            place = int(np.searchsorted(closed_s, at_s, side="right"))
            if place:
                newest.append(float(closed_s[place - 1]))
            elif subject in self._newest_s:
                newest.append(self._newest_s[subject])
        return max(min(newest, default=at_s), at_s - PATIENCE_S)

    def taken(self, until_us):
        """Take the prices up to an instant; return the newest of each subject."""
        return {
            subject: Decimal(repr(prices[-1]))
            for subject, _, prices in self._take(until_us)
            if prices
        }

    def marks_until(self, until_us):
        """Take the prices up to an instant, as marks."""
        for subject, closed_s, prices in self._take(until_us):
            for at_s, price in zip(closed_s, prices):
                if price > 0:
                    yield Mark(_micros(at_s), subject, Decimal(repr(price)))

    def _take(self, until_us):
        for subject, closed_s in self._closed_s.items():
            end = int(np.searchsorted(closed_s, until_us / 1e6, side="right"))
            prices = self._prices[subject]
            if end:
                self._newest_s[subject] = float(closed_s[end - 1])
            yield subject, closed_s[:end].tolist(), prices[:end].tolist()
            self._closed_s[subject] = closed_s[end:]
            self._prices[subject] = prices[end:]
