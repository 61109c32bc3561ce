"""The pages in a real browser: refreshed in place, both schemes, no other host."""

import os
import shutil
from dataclasses import dataclass, field

import pytest
from django.db import connections
from playwright.sync_api import expect

from competitions.models import Cruncher, ParticipantModel
from core import clock
from scoring.models import LeaderboardEntry
from tests import factories

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "tape"]),
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH"),
]


@dataclass
class Seen:
    """What went wrong or elsewhere while pages were open."""

    problems: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


@pytest.fixture
def browser(monkeypatch):
    # Playwright's loop makes Django think that the tests' own queries are async.
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()
        # Under the loop they are others than outside, and nobody else closes them.
        connections.close_all()


@pytest.fixture
def world(transactional_db):
    return factories.running_competition(
        at=clock.now().replace(microsecond=0), models=4, hours=8
    )


def opened(browser, url: str, **options):
    """Open a page and record its errors from now on."""
    seen = Seen()
    page = browser.new_page(**options)
    page.on("pageerror", lambda error: seen.problems.append(str(error)))
    page.on(
        "console",
        lambda m: seen.problems.append(m.text) if m.type in ("error", "warning") else 0,
    )
    page.on("request", lambda r: seen.hosts.add(r.url.split("/")[2]))
    page.on(
        "response",
        lambda r: seen.problems.append(f"{r.status} {r.url}") if r.status >= 400 else 0,
    )
    page.goto(url)
    return page, seen


def test_the_leaderboard_refreshes_without_a_reload(browser, live_server, world):
    page, seen = opened(browser, live_server.url)
    page.evaluate("window.untouched = true")
    page.locator("summary").click()
    assert "1.23" not in page.locator("table.board").inner_text()
    first = LeaderboardEntry.objects.get(rank=1)
    first.metrics["score_recent"] = 1.234
    first.save(update_fields=["metrics"])
    page.locator("table.board", has_text="1.23").wait_for(timeout=60_000)
    assert page.evaluate("window.untouched") is True
    assert page.locator("details").get_attribute("open") is not None
    assert seen.problems == []
    assert seen.hosts == {live_server.url.split("/")[2]}


def test_a_refresh_keeps_the_focus_and_how_far_a_table_is_scrolled(
    browser, live_server, world
):
    """It comes each five seconds, and a keyboard would begin at the top again."""
    viewport = {"width": 360, "height": 740}
    page, seen = opened(browser, live_server.url, viewport=viewport)
    link = page.locator("table.board tbody a").nth(1)
    link.focus()
    name = link.evaluate("link => link.textContent")
    box = page.locator(".scroll", has=page.locator("table.board"))
    box.evaluate("box => { box.scrollLeft = 40 }")
    first = LeaderboardEntry.objects.get(rank=1)
    first.metrics["score_recent"] = 1.234
    first.save(update_fields=["metrics"])
    page.locator("table.board", has_text="1.23").wait_for(timeout=60_000)
    assert page.evaluate("document.activeElement.textContent") == name
    assert box.evaluate("box => box.scrollLeft") == 40
    assert seen.problems == []


def test_times_run_while_the_page_is_open(browser, live_server, world):
    page, seen = opened(browser, live_server.url)
    page.locator("time[data-style=ago]", has_text="ago").first.wait_for()
    ahead = page.locator("time[data-style=until]").first
    before = ahead.inner_text()
    expect(ahead).not_to_have_text(before, timeout=60_000)
    assert seen.problems == []


@pytest.mark.parametrize("path", ["/", "/models/m1", "/docs", "/redoc"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_work_in_both_schemes_and_ask_no_other_host(
    browser, live_server, world, path, scheme
):
    page, seen = opened(browser, live_server.url + path, color_scheme=scheme)
    page.wait_for_load_state("networkidle")
    assert seen.problems == []
    assert seen.hosts <= {live_server.url.split("/")[2], ""}


def test_dark_is_dark_and_text_stays_readable(browser, live_server, world):
    page, _ = opened(browser, live_server.url, color_scheme="dark")
    style = "getComputedStyle(document.body)"
    assert page.evaluate(f"{style}.backgroundColor") == "rgb(14, 17, 22)"
    assert page.evaluate(f"{style}.color") == "rgb(232, 234, 238)"


def test_a_narrow_page_does_not_scroll_sideways(browser, live_server, world):
    viewport = {"width": 360, "height": 740}
    for path in ("/", "/models/m1"):
        page, _ = opened(browser, live_server.url + path, viewport=viewport)
        overflow = "document.documentElement.scrollWidth - innerWidth"
        assert page.evaluate(overflow) <= 0, path


@pytest.mark.parametrize("width", [1280, 360])
def test_a_models_long_name_moves_nothing_out_of_sight(
    browser, live_server, world, width
):
    """Its participant chooses it, and others read the same pages."""
    ParticipantModel.objects.update(name="W" * 120)
    Cruncher.objects.update(name="W" * 120)
    viewport = {"width": width, "height": 740}
    overflow = "document.documentElement.scrollWidth - innerWidth"
    page, _ = opened(browser, live_server.url, viewport=viewport)
    name = page.locator("table.board tbody th").first
    assert name.bounding_box()["width"] < width / 2
    for path in ("/", "/models/m1", "/payouts", "/diversity"):
        page, _ = opened(browser, live_server.url + path, viewport=viewport)
        assert page.evaluate(overflow) <= 0, path


def test_the_page_is_whole_without_javascript(browser, live_server, world):
    page, _ = opened(browser, live_server.url, java_script_enabled=False)
    assert page.locator("table.board tbody tr").count() == 4
    assert page.locator("figure.chart path").count() == 4
    assert page.locator("time").first.inner_text().endswith("UTC")
