"""What an account did in a stretch of time, as the figures of a board."""

from dataclasses import dataclass
from decimal import Decimal, localcontext

from .account import EXACT, Account

FIGURES = (
    *("net_pnl", "realized_pnl", "unrealized_pnl", "fees", "carry", "traded"),
    *("exposure", "equity", "open_positions", "trades", "wins"),
)


@dataclass(frozen=True)
class StretchFigures:
    """An account's figures, and its drawdown in parts that merge.

    The parts are those of the metric `max_drawdown`, of the net profit at each mark:
    marks, total, highest and lowest sum, deepest fall.
    """

    summary: dict[str, float]
    drawdown: list[float]

    @property
    def has_moved(self) -> bool:
        """Return whether the stretch has a position at its end, or a profit or loss."""
        return bool(self.summary["open_positions"] or self.summary["net_pnl"])


def figures_of(account: Account, elapsed_us: int) -> StretchFigures:
    """Return the figures of an account's present stretch, which has lasted so long."""
    with localcontext(EXACT):
        stretch = account.stretch
        net = account.net - stretch.opening
        values: tuple[Decimal | int, ...] = (
            *(net, stretch.realized, account.unrealized, stretch.fees, stretch.carry),
            *(stretch.traded, stretch.exposure / max(1, elapsed_us), account.net),
            *(len(account.positions), stretch.trades, stretch.wins),
        )
        drawdown: list[Decimal | int] = [
            *(stretch.marks, net, stretch.peak, stretch.trough, stretch.deepest)
        ]
    return StretchFigures(
        summary=dict(zip(FIGURES, map(float, values), strict=True)),
        drawdown=[float(value) for value in drawdown],
    )
