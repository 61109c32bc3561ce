"""`coordinator verify-e2e` against a small server that answers like a site."""

import itertools
import json

import pytest

from competitions.callables.guarded_calls import WIRING, keep_failure
from crunchsite.coordinator.verify_e2e import constant
from tests import factories


def prediction(second, value=0.5, **changes):
    return {
        "model_id": "m1",
        "score_value": value,
        "score_failed": False,
        "scored_at": f"2026-03-02T12:00:{second:02}Z",
    } | changes


def ranked(*values):
    return [{"model_id": "m", "score_ranking": {"value": value}} for value in values]


@pytest.fixture
def growing(site, configured):
    """A site that has scored before, and scores one more with each look."""
    configured(e2e_verify_poll_seconds=0.01)
    seconds = itertools.count(10)
    rows = [prediction(1, 0.1), prediction(2, 0.2)]

    def predictions():
        second = next(seconds)
        rows.append(prediction(second, second / 100))
        return rows

    site.answers["/reports/models"] = [{"model_id": "m1"}, {"model_id": "m2"}]
    site.answers["/reports/predictions"] = predictions
    site.answers["/reports/leaderboard"] = ranked(0.5, 0.25)
    return site


def test_a_site_that_scores_passes_after_two_scores_of_this_run(
    growing, coordinator, capsys
):
    assert coordinator("verify-e2e", "--url", growing.url) == 0
    found = capsys.readouterr()
    assert found.out == (
        f"OK  {growing.url}: 2 models, 2 predictions scored in this run, "
        "2 models on the board\n"
    )
    assert found.err == (
        "  waiting: 0 of 2 predictions were scored\n"
        "  waiting: 1 of 2 predictions were scored\n"
    )


def test_since_counts_what_was_scored_before_the_command(growing, coordinator, capsys):
    since = ("--since", "2026-03-02T12:00:01Z")
    assert coordinator("verify-e2e", "--url", growing.url, "--json", *since) == 0
    assert json.loads(capsys.readouterr().out) == {
        "verdict": "OK",
        "url": growing.url,
        "models": ["m1", "m2"],
        "scored": 2,  # those of :02 and :10
        "ranked": 2,
        "missing": [],
        "wrong": [],
        "broken": [],
    }


def test_failed_and_unscored_predictions_do_not_count(site, coordinator, capsys):
    site.answers["/reports/models"] = [{"model_id": "m1"}]
    site.answers["/reports/predictions"] = [
        prediction(5, score_failed=True),
        prediction(5, scored_at=None),
        prediction(5),
    ]
    site.answers["/reports/leaderboard"] = ranked(1)
    arguments = ("--until-scored", "0.01", "--since", "2026-03-02")
    assert coordinator("verify-e2e", "--url", site.url, *arguments) == 4
    assert "1 of 2 predictions were scored" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("board", "words"),
    [
        (ranked(0, 0.0), "the leaderboard's values are all 0:"),
        (ranked(0.5, 0.5), "the leaderboard's values are all 0.5:"),
        (ranked(0), "the leaderboard's values are all 0:"),
        (ranked(None), "the leaderboard's values are all unknown"),
    ],
)
def test_a_board_that_says_nothing_fails(growing, coordinator, capsys, board, words):
    growing.answers["/reports/leaderboard"] = board
    arguments = ("--until-scored", "0.3", "--since", "2026-03-02")
    assert coordinator("verify-e2e", "--url", growing.url, *arguments) == 1
    found = capsys.readouterr()
    assert found.out.startswith("FAIL  ")
    assert words in found.err


def test_where_models_trade_an_account_must_have_traded_but_orders_may_be_none(
    growing, coordinator, capsys
):
    growing.answers["/reports/predictions"] = no_orders(growing)
    board = [row | {"traded": 0.0} for row in ranked(0.0, 0.0)]
    growing.answers["/reports/leaderboard"] = board
    asked = ("verify-e2e", "--url", growing.url, "--since", "2026-03-02T12:00:00Z")
    assert coordinator(*asked, "--until-scored", "0.1") == 4
    assert "not in time: no account has traded" in capsys.readouterr().err

    board[0] |= {"traded": 1000.0, "score_ranking": {"value": -1.5}}
    assert coordinator(*asked) == 0


def no_orders(site):
    """Predictions that come one by one, each scored with 0."""
    one_more = site.answers["/reports/predictions"]
    return lambda: [row | {"score_value": 0.0} for row in one_more()]


def test_an_empty_site_is_late_and_says_what_is_missing(site, coordinator, capsys):
    assert coordinator("verify-e2e", "--url", site.url, "--until-scored", "0.01") == 4
    found = capsys.readouterr()
    assert found.out.startswith("LATE  ")
    assert (
        "Error: not in time: no model has joined; 0 of 2 predictions were scored; "
        "the leaderboard is empty.\n"
    ) in found.err


@pytest.mark.parametrize("health", [{"status": "bad"}, [], b"<html>", None])
def test_an_unhealthy_site_is_late(growing, coordinator, capsys, health):
    growing.answers["/healthz"] = health
    code = coordinator("verify-e2e", "--url", growing.url, "--until-scored", "0.01")
    assert code == 4
    assert "/healthz" in capsys.readouterr().err


def test_a_site_that_does_not_answer_is_late(coordinator, capsys):
    url = "http://127.0.0.1:1"
    assert coordinator("verify-e2e", "--url", url, "--until-scored", "0.01") == 4
    assert f"{url}/healthz does not answer" in capsys.readouterr().err


@pytest.mark.django_db
def test_another_address_gets_no_key_of_ours(growing, configured, coordinator):
    configured(api_key="ours")
    assert coordinator("verify-e2e", "--url", growing.url) == 0
    assert not any("X-API-Key" in headers for headers in growing.headers)
    configured(report_api_url=f"{growing.url}/")
    assert coordinator("verify-e2e", "--competition", "btc") == 0
    assert growing.headers[-1]["X-API-Key"] == "ours"
    assert growing.asked[-1] == "/reports/leaderboard?competition=btc"


@pytest.mark.parametrize(
    "arguments", [["--url", "localhost"], ["--until-scored", "0"], ["--since", "x"]]
)
def test_wrong_usage_is_exit_code_2(coordinator, arguments):
    assert coordinator("verify-e2e", *arguments) == 2


def test_different_values_are_well():
    assert constant("x", [0, 1]) == []
    assert constant("x", [0.5]) == []
    assert constant("x", [None, 1]) == []


def test_a_site_that_cannot_load_its_callables_fails_at_once(site, coordinator, capsys):
    site.statuses["/reports/schema"] = 503
    site.answers["/reports/schema"] = {"code": "slot_invalid", "detail": "later"}
    assert coordinator("verify-e2e", "--url", site.url) == 1
    found = capsys.readouterr()
    assert found.out.startswith(f"FAIL  {site.url}: ")
    assert "`coordinator doctor --offline` names it" in found.err


@pytest.mark.django_db
def test_this_machines_site_says_which_callable(site, configured, coordinator, capsys):
    configured(report_api_url=site.url)
    text = "SCORING_FUNCTION was 'a:b': there is no module a."
    keep_failure(factories.competition(), name=WIRING, path="btc", text=text)
    site.statuses["/reports/schema"] = 503
    site.answers["/reports/schema"] = {"code": "slot_invalid", "detail": "later"}
    assert coordinator("verify-e2e") == 1
    assert f"btc does not run: {text} Correct it, and start" in capsys.readouterr().err


@pytest.mark.django_db
def test_a_worker_that_cannot_load_them_is_told_of_while_waiting(
    site, configured, coordinator, capsys
):
    configured(report_api_url=site.url, e2e_verify_poll_seconds=0.01)
    broken = factories.competition("b", status="ACTIVE")
    keep_failure(broken, name=WIRING, path="b", text="no module a.")
    assert coordinator("verify-e2e", "--competition", "b", "--until-scored", "0.1") == 4
    assert "waiting: b does not run: no module a." in capsys.readouterr().err
    factories.competition("other", status="ACTIVE")
    coordinator("verify-e2e", "--competition", "other", "--until-scored", "0.1")
    assert "does not run" not in capsys.readouterr().err
