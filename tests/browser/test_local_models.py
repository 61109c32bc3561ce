"""The buttons of the local models' page are visible at every width."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from competitions.local_models import control
from core import clock
from tests.browser.test_leaderboard import (  # noqa: F401  fixtures
    browser,
    opened,
    pytestmark,
)
from tests.competitions.local_models.conftest import ROW

STATES = ("RUNNING", "QUARANTINED", "RECOVERING", "STOPPED", "STARTING")


def status(state):
    return replace(
        ROW,
        model_id=f"a_model_with_quite_a_long_name_{state}",
        cruncher="A participant whose name is long as well",
        state=state,
        error="ValueError: cannot load weights from the folder; " * 10,
        restarts=1234,
        changed_at=clock.wall_now().isoformat(),
        sandbox="level 2",
    )


@pytest.fixture
def client(client, transactional_db, monkeypatch):
    client.force_login(User.objects.create_superuser("operator", password="secret"))
    monkeypatch.setattr(control, "status", lambda folder: list(map(status, STATES)))
    monkeypatch.setattr(control, "seen_at", lambda folder: clock.wall_now())
    return client


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 1024, 390])
def test_buttons_are_in_sight(browser, live_server, client, width, scheme):  # noqa: F811
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    session = client.cookies["sessionid"].value
    context.add_cookies(
        [{"name": "sessionid", "value": session, "url": live_server.url}]
    )
    page, seen = opened(context, live_server.url + reverse("admin:local-models"))
    buttons = page.locator("table .press").all()
    assert len(buttons) == 2 * len(STATES) - 1  # Start alone for the stopped one
    for button in buttons:
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    if width >= 1024:
        table = page.locator(".op-scroll")
        assert table.evaluate("e => e.scrollWidth <= e.clientWidth")
    assert seen.problems == []
