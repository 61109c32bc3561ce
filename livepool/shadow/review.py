"""Write the monthly review: changes, why each coin is in, which coins nearly were.

Reads a ranking and the shadow histories beside it; returns Markdown for a person.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from livepool import pool_change
from livepool.artifacts import version_of
from livepool.model.labels import rank_pct
from livepool.model.pipeline import Panel, Ranking
from livepool.shadow.history import History

_REASONS = {
    "rs_risk_adj": "strength against BTC, relative to its risk",
    "trend_persist_90": "time above its 200-day average",
    "price_vs_sma200": "height above its 200-day average",
    "ma200_slope": "slope of its 200-day average",
    "risk_adjusted_momentum": "momentum, relative to its risk",
    "liquidity_stability": "steady turnover",
    "avg_quote_vol_180": "turnover",
}
_REGIMES = {
    "risk_off": "risk off: the market is weak, so the plain rules weigh most",
    "btc_dominant": "BTC leads and few coins follow",
    "broad_alt_strength": "strength is broad, so the trees weigh most",
    "late_momentum": "momentum without breadth",
}


def _coin(symbol: str) -> str:
    return symbol.removesuffix("USDT")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def turnover_in_words(usdt: float | None) -> str:
    """Return a mean turnover a day, or a dash if it is unknown."""
    return "-" if usdt is None else f"{usdt / 1e6:.0f} M USDT"


def reasons(panel: Panel, ranking: Ranking) -> dict[str, list[tuple[str, float]]]:
    """Return for each member the rule's features, best percentile first."""
    ranked = panel.config.ranking
    scheme = ranked.schemes[ranked.scheme]
    rows = ranking.rows.with_columns(
        rank_pct(pl.col(name)).alias(name) for name in scheme
    ).select("symbol", *scheme)
    return {
        row["symbol"]: sorted(
            ((name, row[name]) for name in scheme if row[name] is not None),
            key=lambda found: (-found[1], -scheme[found[0]]),
        )
        for row in rows.iter_rows(named=True)
    }


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows),
        "",
    ]


def markdown(
    panel: Panel,
    ranking: Ranking,
    *,
    previous: Sequence[str],
    previous_version: str,
    histories: Sequence[History],
) -> str:
    """Write the review of `ranking` against the pool published before it."""
    version = version_of(ranking.as_of_date, ranking.mode)
    lines = [f"# Live pool {version}", ""]
    lines += _changes(ranking, previous, previous_version)
    lines += _pool(panel, ranking, previous)
    lines += _boundary(ranking)
    lines += _universe(panel, ranking)
    lines += _tracks(ranking, histories)
    if ranking.warnings:
        lines += ["## To look at", "", *(f"- {w}" for w in ranking.warnings), ""]
    return "\n".join(lines)


def _changes(ranking: Ranking, previous: Sequence[str], version: str) -> list[str]:
    pool = " ".join(_coin(s) for s in ranking.symbols)
    regime = _REGIMES[ranking.regime]
    lines = [
        f"**{pool}**",
        "",
        f"Market: {regime} (confidence {_percent(ranking.regime_confidence)}).",
        "",
    ]
    if not previous:
        return [*lines, "There is no earlier pool to compare with.", ""]
    entered = [_coin(s) for s in pool_change.entered(ranking.symbols, previous)]
    left = [_coin(s) for s in pool_change.left(ranking.symbols, previous)]
    churn = pool_change.churn(ranking.symbols, previous)
    if not entered:
        return [*lines, f"The same coins as {version}.", ""]
    return [
        *lines,
        f"Against {version}: in {', '.join(entered)}; out {', '.join(left)}.",
        f"Churn {_percent(churn)}.",
        "",
    ]


def _pool(panel: Panel, ranking: Ranking, previous: Sequence[str]) -> list[str]:
    why = reasons(panel, ranking)
    rows = []
    for row in ranking.rows.filter("selected_flag").iter_rows(named=True):
        best = ", ".join(
            f"{_REASONS.get(name, name)} ({_percent(value)})"
            for name, value in why[row["symbol"]][:3]
        )
        rows.append(
            [
                row["current_rank"],
                _coin(row["symbol"]) + ("" if row["symbol"] in previous else " (new)"),
                *(_number(row[c], 2) for c in ("final_score", "confidence")),
                *(_percent(row[c]) for c in ("rule_score", "linear_score", "ml_score")),
                best,
            ]
        )
    return [
        "## Why each coin is in",
        "",
        "Percentages are places within the universe: 100 % is the best.",
        "",
        *_table(
            ("#", "coin", "score", "confidence", "rule", "ridge", "trees", "best at"),
            rows,
        ),
    ]


def _boundary(ranking: Ranking) -> list[str]:
    size = len(ranking.symbols)
    near = ranking.rows.slice(max(0, size - 1), 4).to_dicts()
    scores = [row["final_score"] for row in near[:2]]
    gap = scores[0] - scores[1] if len(scores) > 1 and None not in scores else None
    return [
        "## At the boundary",
        "",
        f"The gap between the last coin in and the first one out is {_number(gap)}.",
        "",
        *_table(
            ("#", "coin", "score", "confidence", "stability", "turnover a day"),
            [
                [
                    row["current_rank"],
                    _coin(row["symbol"]),
                    _number(row["final_score"]),
                    _number(row["confidence"], 2),
                    _number(row["liquidity_stability"], 2),
                    turnover_in_words(row["avg_quote_vol_180"]),
                ]
                for row in near
            ],
        ),
    ]


def _universe(panel: Panel, ranking: Ranking) -> list[str]:
    now = set(panel.refreshes[-1].members)
    before = set(panel.refreshes[-2].members) if len(panel.refreshes) > 1 else set()
    sentences = [f"{len(ranking.universe)} coins were ranked."]
    for word, symbols in (("Entered", now - before), ("Left", before - now)):
        if symbols:
            sentences.append(f"{word}: {', '.join(_coin(s) for s in sorted(symbols))}.")
    return ["## Universe", "", " ".join(sentences), ""]


def _tracks(ranking: Ranking, histories: Sequence[History]) -> list[str]:
    rows = []
    for history in histories:
        last = history.releases[-1] if history.releases else None
        symbols = last["symbols"] if last else []
        shared = len(set(symbols) & set(ranking.symbols))
        rows.append(
            [
                history.track.track_id,
                len(history.releases),
                history.by_rule_alone,
                _percent(history.mean_churn),
                last["as_of_date"] if last else "-",
                " ".join(_coin(s) for s in symbols) or "-",
                f"{shared} of {len(ranking.symbols)}",
            ]
        )
    if not rows:
        return []
    return [
        "## Shadow tracks",
        "",
        "For comparison only; a challenger is never published.",
        "",
        *_table(
            *(
                (
                    *("track", "releases", "by rule alone", "churn", "last"),
                    *("its pool", "shared with the release"),
                ),
                rows,
            )
        ),
    ]
