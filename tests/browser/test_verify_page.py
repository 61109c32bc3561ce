"""The page verifies a real bundle in the browser, and names what was changed."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_leaderboard import (  # noqa: F401  fixtures
    browser,
    opened,
    pytestmark,
)
from tests.crunchsite.bundles.conftest import recorded as recorded  # noqa: PLC0414  a fixture
from tests.crunchsite.bundles.tampering import (
    NAMES,
    TAMPERINGS,
    OpenBundle,
    changed_reason,
)

# A browser runs no scorer: it finds a changed score by what the scores add up to.
FOUND_BY = {
    "score": ("snapshots", "its scores give"),
    "failed": ("snapshots", "its scores are"),
    "other_feed": ("truth", "which the rules do not have"),
}


@pytest.fixture
def verify(browser, live_server, recorded, tmp_path):  # noqa: F811
    page, seen = opened(browser, f"{live_server.url}/verify")

    def verified(data, key=""):
        file = tmp_path / "bundle.zip"
        file.write_bytes(data)
        page.set_input_files("#bundle", str(file))
        page.fill("#vkey", key)
        page.click("#verify")
        expect(page.locator("#verify")).to_be_enabled(timeout=60_000)
        return page

    yield verified
    assert seen.problems == []
    assert seen.hosts == {live_server.url.split("/")[2]}


def test_a_bundle_is_verified_and_each_tampering_is_named(verify, recorded):
    page = verify(recorded.whole, key=recorded.key)
    assert page.inner_text("#verdict").endswith("all that was done follows.")
    steps = page.locator("#steps tbody tr")
    assert {
        line.locator("th").inner_text(): line.locator("td").nth(1).inner_text()
        for line in steps.all()
    } == {
        "heads": "13 of 13", "fork": "13 of 13", "entries": "38 of 38",
        "keys": "1 of 1", "predictions": "154 of 154", "rules": "2 of 2",
        "order": "11 of 11", "truth": "22 of 22", "scores": "—",
        "snapshots": "24 of 24", "periods": "13 of 13", "ranking": "13 of 13",
        "emission": "3 of 3", "ledger": "6 of 6", "transaction": "2 of 2",
    }  # fmt: skip
    assert "not settled to its end" not in page.inner_text("#steps")
    changed = verify(recorded.changed)  # another scorer held at first
    assert changed.inner_text("#verdict").endswith("all that was done follows.")
    unfinished = "Not done: it is SUBMITTED: it is not settled to its end"
    assert unfinished in changed.inner_text("#steps")
    bundle = OpenBundle(recorded.changed)
    changed_reason(bundle)
    page = verify(bundle.packed())
    assert page.inner_text("#verdict").endswith("does not follow: ledger.")
    for name, (change, *found) in zip(NAMES, TAMPERINGS, strict=True):
        bundle = OpenBundle(recorded.whole)
        change(bundle, recorded.signer)
        page = verify(bundle.packed())
        verdict = page.inner_text("#verdict")
        step, words = FOUND_BY.get(name, found)
        assert "does not follow" in verdict, name
        assert step in verdict.rpartition(":")[2], (name, verdict)
        line = steps.filter(has=page.locator("th", has_text=step))
        assert words in line.inner_text(), (name, line.inner_text())
    page = verify(b"no zip")
    assert "cannot be verified: it is no ZIP" in page.inner_text("#verdict")
