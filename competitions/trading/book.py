"""Play orders and prices through the accounts of a competition, in order of time."""

from collections.abc import Hashable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import groupby
from operator import attrgetter
from typing import Any

from .account import EXACT, Account
from .signals import ordered_size
from .trading_rules import TradingRules


@dataclass(frozen=True)
class Mark:
    """A closing price of a subject; if it is no news, positions were marked before."""

    at_us: int
    subject: str
    price: Decimal
    is_news: bool = True


@dataclass(frozen=True)
class Order:
    """A model's answer, as it was given; `account` is the model's key.

    Later answers have higher numbers, whatever the clock said; 0 has none.
    """

    at_us: int
    account: Hashable
    subject: str
    output: Mapping[str, Any]
    number: int = 0


def play(
    accounts: MutableMapping[Any, Account],
    *,
    rules: TradingRules,
    marks: Iterable[Mark],
    orders: Iterable[Order],
    prices: MutableMapping[str, Decimal],
) -> list[str]:
    """Mark every position at every price, fill every order; return what was refused.

    Both are in order of time; at one instant prices come first. An order is filled at
    the newest price, the one that the models were shown. `prices` holds the newest one
    of each subject before, and after; who orders for the first time gets an account.
    """
    refusals = []
    timeline: list[Mark | Order] = [*marks, *orders]
    timeline.sort(key=lambda event: (event.at_us, isinstance(event, Order)))
    with localcontext(EXACT):
        for _, instant in groupby(timeline, key=attrgetter("at_us")):
            touched: dict[Any, None] = {}
            for event in instant:
                if isinstance(event, Mark):
                    if event.price > 0:
                        prices[event.subject] = event.price
                        if event.is_news:
                            touched |= dict.fromkeys(_mark(accounts, event))
                    continue
                account = accounts.setdefault(event.account, Account(rules))
                account.newest_order = max(account.newest_order, event.number)
                try:
                    _fill(account, event, prices)
                except ValueError as error:
                    refusals.append(f"{event.account}: {error}")
                touched[event.account] = None
            for key in touched:
                accounts[key].sample()
    return refusals


def _mark(accounts: Mapping[Any, Account], event: Mark) -> list[Any]:
    """Mark who holds a subject; return their keys."""
    holders = [key for key, each in accounts.items() if event.subject in each.positions]
    for key in holders:
        accounts[key].mark(event.subject, event.price, event.at_us)
    return holders


def _fill(account: Account, order: Order, prices: Mapping[str, Decimal]) -> None:
    size = ordered_size(
        account.rules.signal_mode, order.output, account.held(order.subject)
    )
    if not size:
        return
    if order.subject not in prices:
        raise ValueError(f"{order.subject} has no price yet")
    account.order(order.subject, size, prices[order.subject], order.at_us)
