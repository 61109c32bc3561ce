"""Draw line and bar charts as SVG text: no scripts, readable in any page or file."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 240, 56, 24, 12
COLOURS = ("#2563eb", "#d97706", "#059669", "#7c3aed", "#dc2626", "#64748b")
_TICKS = 4


def _ticks(low: float, high: float) -> list[float]:
    return [low + (high - low) * n / _TICKS for n in range(_TICKS + 1)]


def lines(
    series: Mapping[str, Sequence[float]],
    labels: Sequence[str],
    *,
    title: str,
    percent: bool = False,
) -> str:
    """Draw lines over the same `labels` (x), with a legend. Empty for no points."""
    values = [v for points in series.values() for v in points]
    if not values or len(labels) < 2:
        return ""
    low, high = min(values), max(values)
    high = high if high > low else low + 1.0
    across = (WIDTH - LEFT - 8) / (len(labels) - 1)
    rise = (HEIGHT - TOP - BOTTOM) / (high - low)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) * rise

    parts = []
    for tick in _ticks(low, high):
        label = f"{tick:.0%}" if percent else f"{tick:.2f}"
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" '
            f'stroke="currentColor" stroke-opacity="0.12"/>'
            f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">'
            f"{label}</text>"
        )
    for n in sorted({0, len(labels) // 2, len(labels) - 1}):
        anchor = "start" if n == 0 else "end" if n == len(labels) - 1 else "middle"
        parts.append(
            f'<text x="{LEFT + n * across:.1f}" y="{HEIGHT - 6}" '
            f'text-anchor="{anchor}">{escape(labels[n])}</text>'
        )
    for n, (name, points) in enumerate(series.items()):
        colour = COLOURS[n % len(COLOURS)]
        path = " ".join(
            f"{LEFT + i * across:.1f},{y(value):.1f}" for i, value in enumerate(points)
        )
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" '
            f'points="{path}"><title>{escape(name)}</title></polyline>'
            f'<text x="{LEFT + 8 + n * 112}" y="{TOP + 6}" fill="{colour}">'
            f"{escape(name)}</text>"
        )
    return _svg(title, HEIGHT, parts)


def bars(rows: Sequence[tuple[str, float, bool]], *, title: str) -> str:
    """Draw horizontal bars from (label, share of 1, whether it is highlighted)."""
    if not rows:
        return ""
    step = 22
    parts = []
    for n, (label, value, stressed) in enumerate(rows):
        top = TOP + n * step
        width = max(1.0, (WIDTH - 2 * LEFT - 60) * min(max(value, 0.0), 1.0))
        opacity = 1 if stressed else 0.35
        parts.append(
            f'<text x="{LEFT + 36}" y="{top + 14}" text-anchor="end">'
            f"{escape(label)}</text>"
            f'<rect x="{LEFT + 44}" y="{top + 3}" width="{width:.1f}" height="15" '
            f'rx="3" fill="{COLOURS[0]}" fill-opacity="{opacity}"/>'
            f'<text x="{LEFT + 50 + width:.1f}" y="{top + 14}">{value:.2f}</text>'
        )
    return _svg(title, TOP * 2 + step * len(rows), parts)


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="{escape(title)}" font-family="sans-serif" '
        f'font-size="11" fill="currentColor" width="100%">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
