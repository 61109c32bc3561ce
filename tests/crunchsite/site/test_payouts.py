"""The pages of payouts: periods, strategies side by side, statements."""

import csv
import io
import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crunchsite.site import payouts
from emissions import ledger
from emissions.counterfactual import would_have_paid
from emissions.frac64 import WHOLE
from emissions.models import IdleStretch
from tests import factories
from tests.conftest import NOW
from tests.crunchsite.conftest import text

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


@pytest.fixture
def world(tape, frozen_clock):
    made = factories.running_competition(at=NOW, models=4, hours=2)
    for value, checkpoint in enumerate(made.checkpoints, start=1):
        checkpoint.meta["ranking_direction"] = "desc"
        for entry in checkpoint.meta["ranking"]:
            entry["ranking_value"] = value / entry["rank"]
            entry["standard_error"] = 0.0
        checkpoint.save()
        ledger.owe(checkpoint)
    return made


def test_the_page_shows_periods_balances_and_the_open_one(client, world):
    world.competition.emission_interval_s = 3600
    world.competition.save()
    world.checkpoints[0].period_end = NOW - timedelta(hours=1)
    world.checkpoints[0].save()
    IdleStretch.objects.create(
        competition=world.competition,
        start_at=NOW - timedelta(days=9),
        end_at=NOW - timedelta(days=8),
        reason="there was no snapshot",
        created_at=NOW,
    )
    page = text(client.get("/payouts?competition=btc-demo"))
    for checkpoint in world.checkpoints:
        assert str(checkpoint) in page
    assert "as it stands now, by <code>tiers</code>" in page
    assert "there was no snapshot" in page
    assert "Effective number" in page
    assert "<path" in page
    assert 'href="/payouts/0?competition=btc-demo"' in page


def test_each_strategy_is_compared_with_what_was_paid(client, world):
    page = text(client.get("/payouts/strategies"))
    for name in ("tiers", "contribution", "proportional", "equal", "shrunken"):
        assert f'<th scope="col" class="n">{name}</th>' in page
    # Three crunchers: alice, who has the first and the last model, and two others.
    shares = page.split("alice</a></th>")[1].split("</tr>")[0]
    # Paid: 35 and 10 of 65; tiers: 43.75 and 18.75, so 6.73 points less.
    assert '<td class="n">69.23</td>' in shares
    assert "Gini coefficient" in page


def test_a_period_that_one_of_three_takes_is_not_evenly_paid(client, world):
    """An operator's builder may name those alone who get something."""
    for checkpoint in world.checkpoints:
        winner = {"cruncher_index": 0, "reward_pct": WHOLE}
        checkpoint.entries[0]["cruncher_rewards"] = [winner]
        checkpoint.save()
    page = text(client.get("/payouts"))
    row = page.split(f"{checkpoint}</a></th>")[1].split("</tr>")[0]
    assert re.findall(r'<td class="n">([^<]*)</td>', row) == ["1", "1.00", "0.67"]
    page = text(client.get("/payouts/strategies"))
    row = page.split("<small>Gini coefficient</small>")[1].split("</tr>")[0]
    assert re.findall(r'<td class="n">([^<]*)</td>', row)[0] == "0.67"


def test_what_another_request_forgets_meanwhile_is_still_told(
    client, world, monkeypatch
):
    def one_more(checkpoint):
        payouts._kept.clear()  # as a request does that finds it full
        return would_have_paid(checkpoint)

    payouts._kept.clear()
    monkeypatch.setattr(payouts, "would_have_paid", one_more)
    assert "of 2 checkpoints" in text(client.get("/payouts/strategies"))


def test_old_checkpoints_lack_the_figures_of_some_strategies(client, world):
    checkpoint = world.checkpoints[0]
    for entry in checkpoint.meta["ranking"]:
        del entry["ranking_value"]
    checkpoint.save()
    page = text(client.get("/payouts/strategies"))
    assert "proportional, shrunken." in page
    assert '<th scope="col" class="n">proportional</th>' not in page


def test_a_statement_is_a_page_and_a_csv(client, world):
    ledger.adjust(
        checkpoint_id=world.checkpoints[0].pk,
        from_index=0,
        to_index=1,
        amount=10_000_000,
        reason="=dispute 3",
        user=SimpleNamespace(pk=None),
    )
    page = text(client.get("/payouts/0"))
    assert "Statement of alice" in page
    assert "adjusted \N{MINUS SIGN}1.0000" in page
    rows = list(
        csv.DictReader(
            io.StringIO(client.get("/payouts/0/statement.csv").content.decode())
        )
    )
    assert [row["kind"] for row in rows] == ["ADJUSTMENT", "DUE", "DUE"]
    assert rows[0]["amount"] == "-10000000"
    assert rows[0]["reason"] == "'=dispute 3"
    assert client.get("/payouts/999").status_code == 404
    assert client.get("/payouts/999/statement.csv").status_code == 404


def test_long_lists_are_paged(client, world, monkeypatch):
    monkeypatch.setattr(payouts, "PAGE_ROWS", 2)
    world.competition.emission_interval_s = 3600
    world.competition.save()
    pages = [text(client.get(f"/payouts?page={n}")) for n in (1, 2)]
    models = [re.findall(r'href="/models/(m\d)', page) for page in pages]
    assert [len(each) for each in models] == [2, 2]
    assert sorted(models[0] + models[1]) == ["m1", "m2", "m3", "m4"]
    assert "?competition=btc-demo&amp;page=2#open-title" in pages[0]
    assert "Next models" not in pages[1]
    for path in ("/payouts?ledger=", "/payouts/strategies?page="):
        found = [text(client.get(f"{path}{n}")) for n in (1, 2)]
        crunchers = [re.findall(r'href="/payouts/(\d)', page) for page in found]
        assert crunchers == [["0", "1"], ["2"]], path
        assert ["Next crunchers" in page for page in found] == [True, False]


@pytest.mark.parametrize("path", ["/payouts", "/payouts/strategies", "/payouts/0"])
def test_the_number_of_statements_does_not_depend_on_the_rows(client, world, path):
    with CaptureQueriesContext(connection) as few:
        client.get(path)
    for age in range(3, 9):
        more = factories._checkpoint(
            world.competition, world.models, NOW - timedelta(days=7 * age), age, "KEY"
        )
        ledger.owe(more)
    with CaptureQueriesContext(connection) as many:
        assert client.get(path).status_code == 200
    assert len(many) <= len(few)  # what was made once is kept


@pytest.mark.parametrize("path", ["/payouts", "/payouts/strategies"])
def test_before_the_first_checkpoint_there_is_a_page(client, db, path):
    factories.competition()
    assert client.get(path).status_code == 200
