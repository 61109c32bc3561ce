"""Sum up what the accounts of a trading competition did in a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, localcontext

import numpy as np

from competitions.models import Competition
from competitions.slots import Wiring
from competitions.trading.account import EXACT, Account, from_state
from core.grid import Period
from scoring.metrics.parts import IN_PARTS, PLACES
from scoring.metrics.ranks import Floats
from scoring.models import TradingBook

FIGURES = (
    *("net_pnl", "realized_pnl", "unrealized_pnl", "fees", "carry", "traded"),
    *("exposure", "equity", "open_positions", "trades", "wins"),
)


@dataclass(frozen=True)
class BookFigures:
    """An account's figures of a period, and its drawdown in parts that merge.

    The parts are those of `max_drawdown` in scoring/metrics/parts.py, of the net profit
    at each mark.
    """

    summary: dict[str, float]
    drawdown: list[float]


def book_figures(
    *, competition: Competition, wiring: Wiring, period: Period
) -> dict[int, BookFigures]:
    """Return the accounts' figures of a period by model key; one statement.

    A model that has not ordered yet has none.
    """
    rules = wiring.config.trading
    assert rules is not None  # the caller has checked this
    return {
        row.model_id: figures_of(
            from_state(row.state, rules), row.marked_at - row.period_start
        )
        for row in TradingBook.objects.filter(
            model__competition=competition, period_start=period.start
        )
    }


def figures_of(account: Account, elapsed: timedelta) -> BookFigures:
    """Return the figures of an account's present stretch, which has lasted so long."""
    with localcontext(EXACT):
        stretch = account.stretch
        net = account.net - stretch.opening
        elapsed_us = max(1, elapsed // timedelta.resolution)
        values: tuple[Decimal | int, ...] = (
            *(net, stretch.realized, account.unrealized, stretch.fees, stretch.carry),
            *(stretch.traded, stretch.exposure / elapsed_us, account.net),
            *(len(account.positions), stretch.trades, stretch.wins),
        )
        drawdown: list[Decimal | int] = [
            stretch.marks,
            net,
            stretch.peak,
            stretch.trough,
            stretch.deepest,
        ]
    return BookFigures(
        summary=dict(zip(FIGURES, map(float, values), strict=True)),
        drawdown=[float(value) for value in drawdown],
    )


def apply_books(
    books: Sequence[BookFigures | None], parts: Floats, *, value_field: str
) -> dict[str, Floats]:
    """Return the columns of the accounts' figures; their drawdowns go into `parts`.

    `books` has one for each row of `parts`, None for a model without an account: its
    figures are unknown. The value of a period is its net profit.
    """
    columns = {
        name: np.array([book.summary[name] if book else np.nan for book in books])
        for name in FIGURES
    }
    places = PLACES["max_drawdown"]
    parts[:, places] = [
        book.drawdown if book else [0.0] * (places.stop - places.start)
        for book in books
    ]
    columns["max_drawdown"] = IN_PARTS["max_drawdown"].figure(parts[:, places])
    return {**columns, value_field: columns["net_pnl"]}
