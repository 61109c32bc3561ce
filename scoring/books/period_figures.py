"""Sum up what the accounts of a trading competition did in a period."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from competitions.models import Competition
from competitions.slots import Wiring
from competitions.trading.account import from_state
from competitions.trading.stretch_figures import FIGURES, StretchFigures, figures_of
from core.grid import Period
from scoring.books.advance_books import before_first_order
from scoring.metrics.parts import IN_PARTS, PLACES
from scoring.metrics.ranks import Floats
from scoring.models import TradingBook


def book_figures(
    *, competition: Competition, wiring: Wiring, period: Period
) -> dict[int, StretchFigures]:
    """Return the accounts' figures of a period by model key; three statements at most.

    A model that has not ordered yet has none.
    """
    rules = wiring.config.trading
    assert rules is not None  # the caller has checked this
    books = TradingBook.objects.filter(model__competition=competition)
    rows = list(books.filter(period_start=period.start))
    began_at = _began_at(competition, period) if rows else period.start
    return {
        row.model_id: figures_of(
            from_state(row.state, rules),
            (row.marked_at - began_at) // timedelta.resolution,
        )
        for row in rows
    }


def _began_at(competition: Competition, period: Period) -> datetime:
    """Return from when on prices and orders count in a period.

    That is where the period before was marked last, which is no instant of the grid:
    what became known later counts in this one. In the first it is the first order.
    """
    earlier = TradingBook.objects.filter(
        model__competition=competition, period_start__lt=period.start
    )
    marked = earlier.order_by("-period_start").values_list("marked_at", flat=True)
    if (marked_at := marked.first()) is not None:
        return marked_at
    before = before_first_order(competition)
    return period.start if before is None else before + timedelta.resolution


def apply_books(
    books: Sequence[StretchFigures | None], parts: Floats, *, value_field: str
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
    parts[:, places] = 0.0
    for row, book in enumerate(books):
        if book:
            parts[row, places] = book.drawdown
    columns["max_drawdown"] = IN_PARTS["max_drawdown"].figure(parts[:, places])
    return {**columns, value_field: columns["net_pnl"]}
