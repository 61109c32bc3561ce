"""The report of a backtest as a page that needs no other file."""

import html

import numpy as np

from ._engine.rules.truth_rule import return_between
from ._engine.texts import counted

WIDTH, HEIGHT, MARGIN = 640, 180, 46
MOST_POINTS = 600
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem;color:#1b1b1f;background:#fff}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left}"
    "svg{width:100%;height:auto}figure{margin:1.5rem 0}"
    "text{font:11px system-ui,sans-serif;fill:#5f6068}"
    "path{fill:none;stroke:#2456c7;stroke-width:1.5}rect{fill:#2456c7}"
    "line{stroke:#c9cad1}"
    "@media(prefers-color-scheme:dark){body{color:#e7e7ea;background:#151518}"
    "path{stroke:#8fb0ff}rect{fill:#8fb0ff}line{stroke:#44454c}text{fill:#a3a4ad}}"
)


def page(result):
    """Return the whole page."""
    title = "Backtest report"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}'
        f"</title><style>{STYLE}</style></head><body><h1>{title}</h1>{body(result)}"
        "</body></html>\n"
    )


def body(result):
    """Return the figures and the charts, as notebooks show them."""
    figures = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(_text(value))}</td></tr>"
        for name, value in _figures(result)
    )
    return f"<table>{figures}</table>" + "".join(_charts(result))


def _figures(result):
    found = result.as_dict()
    names = ("since", "until", "rounds", "scored", "mean_score", "interval", "n_eff")
    yield from ((name, found[name]) for name in (*names, "coverage"))
    yield from result.metrics.items()
    yield from ((f"problem, {counted(n, 'time')}", text) for text, n in result.problems.items())
    yield "digest", found["digest"]


def _text(value):
    if isinstance(value, list):
        return " to ".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return "unknown" if value is None else str(value)


def _charts(result):
    rounds = result.rounds
    is_scored = ~np.isnan(rounds.score)
    if not is_scored.any():
        yield "<p>No round was scored.</p>"
        return
    scores = rounds.score[is_scored]
    equity = np.cumsum(scores)
    peaks = np.maximum(np.maximum.accumulate(equity), 0.0)
    yield _line("Equity: the running sum of scores", equity)
    yield _line("Drawdown: below the highest sum so far", equity - peaks)
    ics = [each["summary"].get("ic") for each in result.snapshots]
    yield _bars("IC of each period", [(i, ic) for i, ic in enumerate(ics)])
    tenths = _calibration(rounds, is_scored)
    yield _bars("Calibration: mean return by tenth of the signal", tenths)
    hours = rounds.slot_at[is_scored] // 3600 % 24
    by_hour = [
        (hour, float(scores[hours == hour].mean()) if (hours == hour).any() else None)
        for hour in range(24)
    ]
    yield _bars("Mean score by hour of the day, UTC", by_hour)


def _calibration(rounds, is_scored):
    signals = rounds.outputs.numbers("value")[is_scored]
    returns = return_between(rounds.entry_price, rounds.exit_price)[is_scored]
    known = ~np.isnan(signals)
    order = np.argsort(signals[known], kind="stable")
    tenths = np.array_split(returns[known][order], 10)
    return [
        (i + 1, float(part.mean()) if len(part) else None)
        for i, part in enumerate(tenths)
    ]


def _line(title, values):
    step = max(1, len(values) // MOST_POINTS)
    shown = values[::step]
    y = _scale(shown)
    across = (WIDTH - MARGIN) / max(1, len(shown) - 1)
    points = " L".join(
        f"{MARGIN + i * across:.1f} {y(float(value)):.1f}" for i, value in enumerate(shown)
    )
    return _figure(title, f'<path d="M{points}"/>', shown)


def _bars(title, pairs):
    known = [value for _, value in pairs if value is not None]
    if not known:
        return _figure(title, "", [0.0])
    y = _scale(known)
    across = (WIDTH - MARGIN) / len(pairs)
    marks = []
    for i, (label, value) in enumerate(pairs):
        x = MARGIN + i * across
        if value is not None:
            top, bottom = sorted((y(value), y(0.0)))
            marks.append(
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{max(1.0, across - 2):.1f}" '
                f'height="{max(0.5, bottom - top):.1f}"><title>{label}: {value:.6g}'
                "</title></rect>"
            )
    return _figure(title, "".join(marks), known)


def _scale(values):
    low, high = _range(values)
    return lambda value: 8 + (high - value) / (high - low) * (HEIGHT - 16)


def _range(values):
    low, high = min(0.0, float(min(values))), max(0.0, float(max(values)))
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _figure(title, marks, values):
    low, high = _range(values)
    zero = _scale(values)(0.0)
    name = html.escape(title)
    return (
        f'<figure><figcaption>{name}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{name}">'
        f'<line x1="{MARGIN}" x2="{WIDTH}" y1="{zero:.1f}" y2="{zero:.1f}"/>'
        f'<text x="0" y="14">{high:.4g}</text>'
        f'<text x="0" y="{HEIGHT - 4}">{low:.4g}</text>{marks}</svg></figure>'
    )
