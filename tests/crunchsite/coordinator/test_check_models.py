"""`coordinator check-models`: one model runs, or why none does."""

import json
from dataclasses import replace

import pytest

from competitions.local_models.control import write_status
from tests import factories
from tests.competitions.local_models.conftest import ROW
from tests.conftest import NOW

QUICK = ("--timeout", "0.01")


def local(model_id, state, error=""):
    return replace(ROW, model_id=model_id, state=state, error=error)


@pytest.fixture
def ours(site, configured, settings, tmp_path):
    """The site as this machine's own, with the local models given to it."""
    configured(report_api_url=site.url, check_models_poll_seconds=0.01)
    settings.MODELS_LOG_DIR = tmp_path

    def with_models(*statuses, **joined):
        write_status(tmp_path, list(statuses))
        rows = [{"model_id": name, "state": state} for name, state in joined.items()]
        site.answers["/api/v1/models"] = {"results": rows}
        return site

    return with_models


def test_one_running_model_is_enough_and_the_failed_ones_are_named(
    ours, coordinator, capsys
):
    broken = local("broken", "QUARANTINED", "BAD_IMPLEMENTATION: no class")
    ours(local("one", "RUNNING"), broken, one="RUNNING")
    assert coordinator("check-models") == 0
    assert capsys.readouterr().out == (
        "QUARANTINED  broken: BAD_IMPLEMENTATION: no class\nRUNNING      one\n"
    )


def test_a_model_s_words_move_no_cursor(ours, coordinator, capsys):
    erases = local("broken", "QUARANTINED", "no\x1b[1A\x1b[2K\rRUNNING      broken")
    ours(local("one", "RUNNING"), erases, one="RUNNING")
    assert coordinator("check-models") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "QUARANTINED  broken: no\ufffd[1A\ufffd[2K"
    assert "\x1b" not in out
    assert "\r" not in out


def test_models_that_all_failed_end_it_at_once(ours, coordinator, capsys):
    ours(local("broken", "QUARANTINED", "why"), away="STOPPED")
    assert coordinator("check-models", "--json") == 1
    assert json.loads(capsys.readouterr().out) == [
        {"model_id": "away", "state": "STOPPED", "reason": ""},
        {"model_id": "broken", "state": "QUARANTINED", "reason": "why"},
    ]


def test_it_waits_until_a_model_joins(ours, site, coordinator, capsys):
    ours(local("one", "RUNNING"))
    answers = iter([{"results": []}])
    joined = {"results": [{"model_id": "one", "state": "RUNNING"}]}
    site.answers["/api/v1/models"] = lambda: next(answers, joined)
    assert coordinator("check-models") == 0
    found = capsys.readouterr()
    assert found.out == "RUNNING      one\n"
    assert found.err == "  waiting: one JOINING\n"


def test_models_that_start_are_late(ours, coordinator, capsys):
    ours(local("one", "STARTING"))
    assert coordinator("check-models", *QUICK) == 4
    assert "no model runs yet" in capsys.readouterr().err


def test_a_site_without_models_and_one_that_is_away_are_late(site, coordinator):
    assert coordinator("check-models", "--url", site.url, *QUICK) == 4
    assert coordinator("check-models", "--url", "http://127.0.0.1:1", *QUICK) == 4


def test_another_site_is_not_mixed_with_the_models_of_this_machine(
    ours, coordinator, capsys
):
    site = ours(local("mine", "QUARANTINED"), theirs="RUNNING")
    assert coordinator("check-models", "--url", site.url) == 0
    assert capsys.readouterr().out == "RUNNING      theirs\n"


@pytest.mark.django_db
def test_the_sites_list_is_read_as_the_site_writes_it(
    client, site, coordinator, capsys
):
    factories.participants(factories.competition(), 1, at=NOW)
    answer = client.get("/api/v1/models?is_virtual=false&limit=1000")
    site.answers["/api/v1/models"] = answer.json()
    assert coordinator("check-models", "--url", site.url, *QUICK) == 0
    assert capsys.readouterr().out.startswith("RUNNING      ")
