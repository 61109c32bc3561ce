"""No page of the admin asks for what its Content-Security-Policy refuses."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse

from tests.browser.test_leaderboard import (  # noqa: F401  fixtures
    browser,
    opened,
    pytestmark,
    world,
)


@pytest.fixture
def operator(client, transactional_db):
    user = User.objects.create_superuser("operator", password="secret")
    client.force_login(user)
    return client.cookies["sessionid"].value


def test_no_page_of_the_admin_breaks_its_policy(browser, live_server, world, operator):  # noqa: F811
    context = browser.new_context()
    context.add_cookies(
        [{"name": "sessionid", "value": operator, "url": live_server.url}]
    )
    pages = ["admin:index", "admin:local-models"] + [
        f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        for model in admin.site._registry
    ]
    for name in pages:
        page, seen = opened(context, live_server.url + reverse(name))
        page.wait_for_load_state("networkidle")
        assert seen.problems == [], name
        assert page.locator("#content, main").count(), name
        page.close()
