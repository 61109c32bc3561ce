"""How figures are written on pages."""

from datetime import timedelta

import pytest

from core import clock
from crunchsite.templatetags.figures import (
    answer,
    basis_points,
    duration,
    figure,
    instant,
    percent,
    prose,
    significant,
    site_clock,
)
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("{}", "—"),
        ('{"value": 0.25}', "0.2500"),
        ('{"value": -12}', "−12.0000"),  # noqa: RUF001  a true minus
        ('{"value": 10000000000000000000000}', "10,000,000,000,000,000,000,000.0000"),
        ('{"value": 1, "x": [1, 2]}', '{"value": 1, "x": [1, 2]}'),
        ('{"value": "12"}', '{"value": "12"}'),
        ('{"x": "' + "y" * 500, '{"x": "' + "y" * 392 + "…"),
        ('{"x": "\x9b\u202e"}', '{"x": "\ufffd\ufffd"}'),
    ],
)
def test_an_answer_is_its_number_or_the_beginning_of_its_json(output, shown):
    assert answer(output) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "—"), (0, "0.00"), (-0.5, "\N{MINUS SIGN}0.50"), (1234.5, "1,234.50")],
)
def test_figures(value, shown):
    assert figure(value, 2) == shown
    if value != -0.5:
        assert significant(value, 2) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0001, "0.000100"),
        (-0.000123456, "\N{MINUS SIGN}0.000123"),
        (0.0000089, "0.00000890"),
        (0.5, "0.500"),
        (12.345, "12.35"),
        (9.5e-12, "9.50e-12"),
        (-9.5e-12, "\N{MINUS SIGN}9.50e-12"),
        (float("nan"), "\N{EM DASH}"),
        (float("inf"), "\N{EM DASH}"),
        (True, "\N{EM DASH}"),
    ],
)
def test_a_small_number_keeps_three_digits(value, shown):
    assert significant(value, 2) == shown


@pytest.mark.parametrize(
    ("later", "style", "shown"),
    [
        (timedelta(minutes=1), "", "12:01:00 UTC"),
        (timedelta(days=7), "", "09 Mar 12:00:00 UTC"),  # "truth at", a week ahead
        (timedelta(days=-3), "ago", "27 Feb 12:00:00 UTC"),
        (timedelta(0), "full", "02 Mar 12:00:00 UTC"),
    ],
)
def test_an_instant_of_another_day_has_its_day(frozen_clock, later, style, shown):
    assert f">{shown}</time>" in instant(frozen_clock + later, style)


@pytest.mark.parametrize("value", ["up", [0.1], {}, None, True, 10**400, float("inf")])
def test_what_is_no_number_in_somebodys_json_is_a_dash(value):
    """An operator's truth may have any `return`, and a page shows it."""
    assert basis_points(value) == figure(value) == significant(value) == "—"


def test_a_return_has_its_sign():
    assert basis_points(0.0001) == "+1.00 bp"
    assert basis_points(-0.5) == "\N{MINUS SIGN}5000.00 bp"


def test_a_page_says_which_clock_the_site_runs_on(client, settings):
    assert site_clock() == ""
    start, anchor = NOW, clock.wall_now()
    settings.ENV = settings.ENV.model_copy(update={"feed_source": "replay"})
    with clock.use(clock.Clock(start=start, anchor=anchor, speed=60.0)):
        note = "Replay \N{MULTIPLICATION SIGN} 60: the site's day is 02 Mar 2026"
        assert site_clock() == note
        assert "Replay" in client.get("/livepool").content.decode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "`value` is <b> in `bp`.",
            "<code>value</code> is &lt;b&gt; in <code>bp</code>.",
        ),
        ("one ` alone & more", "one ` alone &amp; more"),
        ("`<i>`", "<code>&lt;i&gt;</code>"),
        ("", ""),
    ],
)
def test_what_stands_between_backticks_is_code(text, shown):
    assert prose(text) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((None, "—"), (0.0, "0 %"), (0.9999, "99.9 %"), (1, "100 %")),
        (1 - 4 / 5, "20 %"),  # of five coins one is new
    ],
)
def test_a_percentage_is_whole_only_when_nothing_is_missing(value, shown):
    assert percent(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (15, "15 s"),
        (90, "90 s"),
        (120, "2 min"),
        (timedelta(hours=24), "24 h"),
        (604_800, "7 d"),
    ],
)
def test_durations(value, shown):
    assert duration(value) == shown
