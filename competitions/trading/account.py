"""One model's account: positions, costs, and what they are worth at each price.

A position's size is money at its entry price. All numbers are decimals, computed with
34 digits whatever the caller's own context, so that the same orders and prices give the
same account on every machine. Instants are microseconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal, localcontext
from typing import Any

from .trading_rules import TradingRules

EXACT = Context(prec=34)
ZERO = Decimal(0)


@dataclass(frozen=True)
class Position:
    """A signed size, bought at the mean `entry`, marked with `price` at `marked_us`."""

    size: Decimal
    entry: Decimal
    price: Decimal
    marked_us: int

    @property
    def unrealized(self) -> Decimal:
        """Return the profit of closing it at its last price, before costs."""
        if not self.entry:
            raise ValueError("the entry price was 0; a return needs one above 0")
        return self.size * (self.price - self.entry) / self.entry


@dataclass(frozen=True)
class AccountStretch:
    """What happened to an account in a stretch of time.

    `peak`, `trough` and `deepest` are of the net profit since the stretch began, at its
    marks: highest (0 or more), lowest (0 or less) and the deepest fall below the peak
    so far. `exposure` is the sum of sizes held times the microseconds.
    """

    opening: Decimal = ZERO
    marks: int = 0
    peak: Decimal = ZERO
    trough: Decimal = ZERO
    deepest: Decimal = ZERO
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    carry: Decimal = ZERO
    traded: Decimal = ZERO
    exposure: Decimal = ZERO
    fills: int = 0
    trades: int = 0
    wins: int = 0


@dataclass
class Account:
    """Positions by subject, and the totals since the account was opened.

    `newest_order` is the highest number of an order so far.
    """

    rules: TradingRules
    positions: dict[str, Position] = field(default_factory=dict)
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    carry: Decimal = ZERO
    stretch: AccountStretch = field(default_factory=AccountStretch)
    newest_order: int = 0

    @property
    def unrealized(self) -> Decimal:
        return sum((each.unrealized for each in self.positions.values()), ZERO)

    @property
    def net(self) -> Decimal:
        """Return the profit after all costs, were everything closed at its price."""
        return self.realized + self.unrealized - self.fees - self.carry

    @property
    def gross_size(self) -> Decimal:
        return sum((abs(each.size) for each in self.positions.values()), ZERO)

    def held(self, subject: str) -> Decimal:
        """Return the signed size of a subject; 0 without a position."""
        position = self.positions.get(subject)
        return position.size if position else ZERO

    def mark(self, subject: str, price: Decimal, at_us: int) -> None:
        """Charge the carry of a position up to an instant, and price it anew.

        Marking twice at one instant charges once.
        """
        position = self.positions.get(subject)
        if position is None:
            return
        with localcontext(EXACT):
            elapsed_us = max(0, at_us - position.marked_us)
            cost = self.rules.carry_cost(position.size, elapsed_us)
            self.carry += cost
            self._note(carry=cost, exposure=abs(position.size) * elapsed_us)
            self.positions[subject] = replace(
                position, price=price, marked_us=max(at_us, position.marked_us)
            )

    def order(self, subject: str, size: Decimal, price: Decimal, at_us: int) -> Decimal:
        """Trade a signed size at a price, as far as the limits allow; return the fill.

        Raises ValueError for a price that is not above 0.
        """
        if price <= 0:
            raise ValueError(f"the price was {price}; an order needs one above 0")
        self.mark(subject, price, at_us)
        with localcontext(EXACT):
            filled = self._within_limits(subject, size)
            if not filled:
                return ZERO
            cost = self.rules.order_cost(filled)
            self.fees += cost
            self._note(fees=cost, traded=abs(filled), fills=1)
            rest = self._close(subject, filled)
            if rest:
                self._add(subject, rest, price, at_us)
            return filled

    def sample(self) -> None:
        """Note the net profit at a mark: the stretch's peak, trough, deepest fall."""
        with localcontext(EXACT):
            stretch = self.stretch
            gained = self.net - stretch.opening
            peak = max(stretch.peak, gained)
            self.stretch = replace(
                stretch,
                marks=stretch.marks + 1,
                peak=peak,
                trough=min(stretch.trough, gained),
                deepest=min(stretch.deepest, gained - peak),
            )

    def begin_stretch(self, before: "Account | None" = None) -> None:
        """Begin a new stretch of time at the present net profit.

        The stretch of `before`, if it is given, goes on with what it had gained.
        """
        with localcontext(EXACT):
            if before is None:
                self.stretch = AccountStretch(opening=self.net)
                return
            gained = before.net - before.stretch.opening
            self.stretch = replace(before.stretch, opening=self.net - gained)

    def _within_limits(self, subject: str, size: Decimal) -> Decimal:
        """Return what of an order leaves position and portfolio within their limits.

        What reduces a position is never limited, and what turns it over may close all
        of it before the limit counts.
        """
        held = self.held(subject)
        others = self.gross_size - abs(held)
        limit = max(
            ZERO,
            min(self.rules.max_position_size, self.rules.max_portfolio_size - others),
        )
        room = limit - abs(held) if size * held >= 0 else limit + abs(held)
        return min(abs(size), max(ZERO, room)).copy_sign(size)

    def _close(self, subject: str, filled: Decimal) -> Decimal:
        """Close what a fill takes from a position, pro rata; return what is left."""
        position = self.positions.get(subject)
        if position is None or position.size * filled > 0:
            return filled
        part = min(abs(filled), abs(position.size))
        gain = position.unrealized * part / abs(position.size)
        self.realized += gain
        self._note(realized=gain, trades=1, wins=int(gain > 0))
        sign = 1 if position.size > 0 else -1
        if part == abs(position.size):
            del self.positions[subject]
        else:
            self.positions[subject] = replace(
                position, size=position.size - sign * part
            )
        return filled + sign * part

    def _add(self, subject: str, size: Decimal, price: Decimal, at_us: int) -> None:
        position = self.positions.get(subject)
        if position is None:
            self.positions[subject] = Position(size, price, price, at_us)
            return
        # Sizes are money, so the mean is of the units bought: 5 at 100 and 5 at 200 are
        # worth 15 at 200.
        both = position.size + size
        units = position.size / position.entry + size / price
        self.positions[subject] = replace(position, size=both, entry=both / units)

    def _note(self, **more: Decimal | int) -> None:
        self.stretch = replace(
            self.stretch,
            **{name: getattr(self.stretch, name) + more[name] for name in more},
        )


def to_state(account: Account) -> dict[str, Any]:
    """Return an account as JSON; decimals are texts. The inverse of `from_state`."""
    return {
        "positions": {
            subject: _as_texts(position)
            for subject, position in sorted(account.positions.items())
        },
        **{name: str(getattr(account, name)) for name in _TOTALS},
        "stretch": _as_texts(account.stretch),
        "newest_order": account.newest_order,
    }


def from_state(state: Mapping[str, Any], rules: TradingRules) -> Account:
    """Return the account of a stored state; its marks keep it from charging twice."""
    return Account(
        rules=rules,
        positions={
            subject: Position(**_from_texts(found))
            for subject, found in state["positions"].items()
        },
        **{name: Decimal(state[name]) for name in _TOTALS},
        stretch=AccountStretch(**_from_texts(state["stretch"])),
        newest_order=state.get("newest_order", 0),
    )


_TOTALS = ("realized", "fees", "carry")


def _as_texts(row: Position | AccountStretch) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in vars(row).items()
    }


def _from_texts(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: Decimal(value) if isinstance(value, str) else value
        for name, value in found.items()
    }
