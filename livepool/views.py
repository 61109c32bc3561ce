"""The public page of the live pool."""

from dataclasses import dataclass
from typing import Any

from django.utils.safestring import mark_safe

from livepool import pool_change
from livepool.backtest import equity_charts
from livepool.model.universe import base_asset
from livepool.models import Release, ShadowTrack
from livepool.release import schedule

MONTHS = 24
BARS, ROWS = 12, 24


@dataclass(frozen=True)
class HistoryRow:
    """One release compared with the one before it."""

    release: Release
    coins: tuple[tuple[str, bool], ...]
    left: tuple[str, ...]
    churn: float | None

    @property
    def regime(self) -> str:
        return in_words(self.release.regime)


def in_words(regime: str) -> str:
    """Return a regime in words."""
    return regime.replace("_", " ").replace("btc", "BTC")


def history(releases: list[Release]) -> list[HistoryRow]:
    """Return rows newest first; a coin is new if the row below lacks it."""
    rows = []
    for place, release in enumerate(releases):
        before = releases[place + 1] if place + 1 < len(releases) else None
        old = before.symbols if before else None
        fresh = pool_change.entered(release.symbols, old)
        rows.append(
            HistoryRow(
                release=release,
                coins=tuple((base_asset(s), s in fresh) for s in release.symbols),
                left=tuple(map(base_asset, pool_change.left(release.symbols, old))),
                churn=pool_change.churn(release.symbols, old),
            )
        )
    return rows


def pool_context(user: Any) -> dict[str, Any]:
    """Return the current release, its ranking, the history and the tracks."""
    current = Release.objects.current()
    past = (
        Release.objects.published()
        .order_by("-as_of_date", "-pk")
        .defer("ranking", "universe")
    )
    rows = history(list(past[: MONTHS + 1]))[:MONTHS]
    churns = [
        (row.release.as_of_date, row.churn)
        for row in reversed(rows)
        if row.churn is not None
    ]
    ranking = current.ranking if current else []
    bars = [
        (base_asset(row["symbol"]), row["final_score"], row["selected_flag"])
        for row in ranking[:BARS]
        if row["final_score"] is not None
    ]
    churn = equity_charts.lines(
        {"churn": [churn for _, churn in churns]},
        [as_of.isoformat() for as_of, _ in churns],
        title="Share of the pool that is new, month by month",
        percent=True,
    )
    return {
        "status": schedule.status().told_to(user),
        "release": current,
        "regime": in_words(current.regime) if current else "",
        "ranking": [
            {**row, "coin": base_asset(row["symbol"])} for row in ranking[:ROWS]
        ],
        "ranked": len(ranking),
        "refused": [
            (base_asset(symbol), why)
            for symbol, why in sorted((current.refused if current else {}).items())
        ],
        "history": rows,
        # Our own SVG, in which `charts` has escaped every text.
        "scores_chart": mark_safe(equity_charts.bars(bars, title="Final scores")),
        "churn_chart": mark_safe(churn),
        "tracks": list(ShadowTrack.objects.all()),
    }
