"""Pages fit their screen, narrow or wide, in both schemes."""

from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.test_leaderboard import (  # noqa: F401  fixtures
    browser,
    opened,
    pytestmark,
    world,
)
from tests.browser.test_policy import operator  # noqa: F401  fixture

NARROW = {"width": 390, "height": 844}
WIDE = {"width": 1280, "height": 900}
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"


def signed_in(browser, live_server, session, viewport):  # noqa: F811
    context = browser.new_context(viewport=viewport)
    context.add_cookies(
        [{"name": "sessionid", "value": session, "url": live_server.url}]
    )
    return context


def test_the_api_page_is_dark_for_who_prefers_it_and_leads_back(browser, live_server):  # noqa: F811
    page, seen = opened(browser, live_server.url + "/docs", color_scheme="dark")
    body = expect(page.locator("body"))
    body.to_have_css("background-color", "rgb(28, 32, 34)")
    page.emulate_media(color_scheme="light")
    body.to_have_css("background-color", "rgb(250, 250, 250)")
    assert page.locator(".back a").get_attribute("href") == reverse("home")
    assert seen.problems == []


def test_a_users_lists_stay_in_their_card(browser, live_server, client, operator):  # noqa: F811
    context = signed_in(browser, live_server, operator, WIDE)
    user = client.session["_auth_user_id"]
    url = live_server.url + reverse("admin:auth_user_change", args=[user])
    page, _ = opened(context, url)
    page.locator(".selector-chosen").last.wait_for()
    assert page.evaluate(OVERFLOW) <= 0


def test_the_admins_first_page_stacks_its_cells_when_narrow(
    browser,  # noqa: F811
    live_server,
    world,  # noqa: F811
    operator,  # noqa: F811
):
    context = signed_in(browser, live_server, operator, NARROW)
    page, _ = opened(context, live_server.url + reverse("admin:index"))
    cells = page.locator("table.op-stack td")
    lefts = {cell.bounding_box()["x"] for cell in cells.all()}
    assert len(lefts) == 1
    table = "document.querySelector('table.op-stack').parentElement"
    assert page.evaluate(f"{table}.scrollWidth - {table}.clientWidth") <= 0
