"""The page verifies a real bundle in the browser, and names what was changed."""

import json
import random
import runpy
import zipfile
from io import BytesIO
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from competitions.defaults import scoring_function
from competitions.packs.trading.trading_contract import CONTRACT
from core.tlog.merkle import MemoryTree, inclusion_proof, leaf_hash, root_of
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
from tests.crunchsite.bundles.test_rotated_bundles import (
    CHANGES,
    IDS,
    signed_after_its_end,
)

FOUND_BY = {"other_feed": ("truth", "which the rules do not have")}
# What the scorers whose meaning the page has give in Python, by the file in the page.
SCORERS = {
    "competitions/shared/score_rule.py": scoring_function,
    "competitions/trading/order_scores.py": CONTRACT.scoring_function,
    "templates/workspace/challenge/package/scoring.py": None,
    "competitions/packs/trading/workspace/challenge/package/scoring.py": None,
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
        "heads": "13 of 13", "fork": "13 of 13", "entries": "57 of 57",
        "keys": "1 of 1", "predictions": "122 of 122", "rules": "2 of 2",
        "order": "11 of 11", "witnesses": "11 of 11", "truth": "33 of 33",
        "scores": "44 of 44",
        "snapshots": "28 of 28", "periods": "13 of 13", "ranking": "28 of 28",
        "emission": "5 of 5", "ledger": "6 of 6", "transaction": "2 of 2",
    }  # fmt: skip
    assert "not settled to its end" not in page.inner_text("#steps")
    told = "Made again by competitions/shared/score_rule.py of the SHA-256"
    assert told in page.inner_text("#steps")
    for known in (recorded.first.key, newest_key(recorded.rotated)):
        page = verify(recorded.rotated, key=str(known))
        assert page.inner_text("#verdict").endswith("all that was done follows.")
        assert "no key of the log was given" not in page.inner_text("#steps")
    traded = verify(recorded.traded)
    assert traded.inner_text("#verdict").endswith("all that was done follows.")
    assert "order_scores.py of the SHA-256" in traded.inner_text("#steps")
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
    page = verify(with_two_ledgers(recorded.whole))
    assert "cannot be verified: it has ledger.jsonl twice" in page.inner_text(
        "#verdict"
    )


def test_a_page_in_place_of_the_bundle_is_not_shown_as_the_reason(
    browser,  # noqa: F811
    live_server,
):
    """Without a competition there is no bundle, and the answer is a page."""
    page, _ = opened(browser, f"{live_server.url}/verify")
    page.click("#verify")
    expect(page.locator("#verdict")).to_have_text(
        "This cannot be verified: the site answered 404."
    )


def test_a_browser_that_lacks_the_signatures_says_so(verify, recorded):
    page = verify(b"no zip")
    page.evaluate(
        "() => { crypto.subtle.importKey = async () => { throw new DOMException("
        "'Unrecognized name.', 'NotSupportedError'); }; }"
    )
    verify(recorded.whole)
    assert "this browser knows no Ed25519 signatures" in page.inner_text("#verdict")


def with_two_ledgers(data):
    """Have a file twice, of which other programs show the first one."""
    out = BytesIO(data)
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Dup"):
        archive.writestr("ledger.jsonl", archive.read("ledger.jsonl"))
    return out.getvalue()


def newest_key(data):
    return OpenBundle(data)["manifest"][0]["keys"][0]


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=IDS)
def test_a_key_that_nothing_vouches_for_is_named(verify, recorded, change, words):
    bundle = OpenBundle(recorded.rotated)
    change(bundle)
    page = verify(bundle.packed(), key=str(recorded.first.key))
    said = page.inner_text("#steps")
    assert words in said or "no key that is known leads to" in said
    verdict = page.inner_text("#verdict")
    assert "keys" in verdict.rpartition(":")[2]
    assert "heads" in verdict.rpartition(":")[2]


def test_an_old_keys_head_after_its_end_is_refused(verify, recorded):
    bundle = OpenBundle(recorded.rotated)
    signed_after_its_end(bundle, recorded.first)
    page = verify(bundle.packed(), key=str(recorded.first.key))
    assert page.inner_text("#verdict").endswith("does not follow: heads.")


def test_a_path_proves_its_leaf_at_its_own_place_alone(verify):
    """One that ends early, or goes on above the root, is that of another place."""
    page = verify(b"no zip")
    leaves = [leaf_hash(bytes([i])) for i in range(9)]
    cases = [
        (place, size, leaf)
        for size in range(1, 10)
        for leaf in range(size)
        for place in range(size)
    ]
    found = page.evaluate(
        """(cases) => Promise.all(cases.map(async ([place, size, leaf, path]) => {
            const nodes = path.map(bundles.fromHex);
            const entry = bundles.fromHex(leaf);
            return bundles.hex(await bundles.climbed(place, size, entry, nodes));
        }))""",
        [
            (place, size, leaves[leaf].hex(), path_of(leaf, leaves[:size]))
            for place, size, leaf in cases
        ],
    )
    for (place, size, leaf), root in zip(cases, found, strict=True):
        assert (root == root_of(leaves[:size]).hex()) is (place == leaf)


def path_of(leaf, leaves):
    path = inclusion_proof(leaf, len(leaves), MemoryTree(leaves))
    return [node.hex() for node in path]


def rows_of(count):
    """Return outputs and truths: odd ones first, then random ones of every size."""
    draw = random.Random(20_260_302)
    odd = [0.0, -0.0, 1.0, -1.0, 1e-300, 5e-324, 1e22, 1e21, 123456789.125, 0.1, 1e-7]
    sizes = odd + [
        draw.uniform(-1, 1) * 10 ** draw.randint(-12, 12) for _ in range(count)
    ]
    moves = [*odd[:6], *(draw.gauss(0, 0.01) for _ in sizes[6:])]
    moves[7] = None
    return [
        ({"value": size}, {"actual_return": move})
        for size, move in zip(sizes, moves, strict=True)
    ]


@pytest.mark.parametrize("file", SCORERS)
def test_the_page_scores_as_the_python_file_does(verify, recorded, file):
    """All figures are equal to the last bit."""
    page = verify(b"no zip")
    scorer = SCORERS[file]
    if scorer is None:
        scorer = runpy.run_path(str(recorded.root / file))["score_prediction"]
    rows = rows_of(3_000)
    text = page.evaluate(
        """([file, text]) => {
            const ports = Object.values(bundles.PORTS);
            const port = ports.find((each) => each.file === file);
            const rows = JSON.parse(text);
            return JSON.stringify(rows.map(([one, other]) => port.score(one, other)));
        }""",
        [file, json.dumps(rows)],
    )
    found = json.loads(text, parse_int=float)
    for (output, truth), given in zip(rows, found, strict=True):
        again = scorer(SimpleNamespace(**output), SimpleNamespace(**truth))
        if again.get("success", True):
            again = {"success": True, **again}
        assert {key: again[key] for key in given} == given, (output, truth)
