"""The colours of the pages: each that is asked for is there, and text can be read."""

import re
from itertools import product
from pathlib import Path

import pytest

from competitions.emission_rule import STRATEGY_NAMES

STYLES = Path(__file__).resolve().parents[3] / "crunchsite/static/site/site.css"
CSS = STYLES.read_text()
SCHEMES = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
LEAST = 4.5  # WCAG 2.2, 1.4.3: text of ordinary size
TEXT = ("ink", "soft", "faint", "accent", "good", "warn", "bad")
BEHIND = ("paper", "raised", "hover", "bad-paper")
TONES = [f"t{n}" for n in range(1, 2 + len(STRATEGY_NAMES))]  # what was paid, and each


def colours(scheme: str) -> dict[str, str]:
    """Return a scheme's colours by name; those that name another are followed."""
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6}|var\(--\w+\));", scheme))
    return {name: found.get(value[6:-1], value) for name, value in found.items()}


def channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def luminance(channels: list[float]) -> float:
    parts = [c / 255 for c in channels]
    red, green, blue = (
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: list[float], other: list[float]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark"])
def test_each_colour_of_text_can_be_read_on_what_is_behind_it(scheme):
    known = colours(scheme)
    faint = {
        (text, behind): round(found, 2)
        for text, behind in product((*TEXT, *TONES), BEHIND)
        if (found := contrast(channels(known[text]), channels(known[behind]))) < LEAST
    }
    assert faint == {}


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark"])
def test_figures_can_be_read_on_each_shade_of_the_heat_map(scheme):
    known = colours(scheme)
    shades = re.findall(
        r"^\.([pm]\d) \{ background: color-mix\(in srgb, var\(--(\w+)\) (\d+)%, "
        r"var\(--paper\)\);(?: color: var\(--([\w-]+)\);)? \}",
        CSS,
        re.MULTILINE,
    )
    assert len(shades) == 8  # the ends are colours of their own
    for name, tone, percent, text in shades:
        part = int(percent) / 100
        pairs = zip(channels(known[tone]), channels(known["paper"]), strict=True)
        behind = [part * one + (1 - part) * other for one, other in pairs]
        assert contrast(channels(known[text or "ink"]), behind) >= LEAST, name


def test_each_line_of_a_chart_has_a_colour_in_both_schemes():
    """The chart of strategies has the most: without one, its label is black."""
    for tone in TONES:
        assert f".{tone} {{ --tone: var(--{tone}); }}" in CSS
        assert all(tone in colours(scheme) for scheme in SCHEMES)
