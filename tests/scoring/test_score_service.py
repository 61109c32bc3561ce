"""The operator's service scores what is due, in place of the site's."""

from datetime import timedelta

import pytest

from competitions.models import CallableFailure
from core.service_factories import make_service
from scoring import tasks
from scoring.score_service import VARIABLE, own_score_service, score_by
from tests.own_services import Counting
from tests.scoring.factories import make_competition

PATH = "tests.own_services:Counting"


@pytest.fixture
def configured(settings, monkeypatch):
    """Name a factory; its services note their calls in the list that is returned."""
    called = []
    monkeypatch.setattr(Counting, "called", called)

    def name(path=PATH, answer=None):
        monkeypatch.setattr(Counting, "answer", answer)
        settings.ENV = settings.ENV.model_copy(update={"score_service_factory": path})
        return called

    yield name
    make_service.cache_clear()


@pytest.fixture
def two(competition, frozen_clock):
    at = frozen_clock - timedelta(hours=2)
    return [competition, make_competition(at, slug="another")]


def test_without_a_factory_there_is_no_service():
    assert own_score_service() is None


def test_all_that_is_due_goes_to_it_in_one_call(configured, two, monkeypatch):
    called = configured()
    sent = []
    monkeypatch.setattr(
        tasks.run_own, "apply_async", lambda args, **_: sent.append(args)
    )
    ids = sorted(each.pk for each in two)
    monkeypatch.setattr(tasks.cycle, "claim_due", lambda: ids)
    tasks.dispatch()
    assert sent == [[ids]]
    tasks.run_own(*sent[0])
    assert called == [(ids,)]


def test_a_process_without_it_scores_each_as_the_site_does(two, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks.run, "apply_async", lambda args, **_: sent.append(args))
    tasks.run_own([5, 6])
    assert sent == [[5], [6]]


def test_a_failure_is_a_row_of_each_competition_until_it_works_again(configured, two):
    configured(answer=RuntimeError("no label today"))
    ids = [each.pk for each in two]
    service = own_score_service()
    score_by(service, competition_ids=ids)
    rows = CallableFailure.objects.order_by("competition_id")
    assert [(r.competition_id, r.callable, r.path) for r in rows] == [
        (pk, VARIABLE, PATH) for pk in ids
    ]
    assert "no label today" in rows[0].text
    configured()
    score_by(service, competition_ids=ids)
    assert not CallableFailure.objects.exists()


def test_a_worker_with_a_refused_factory_ends_and_says_why(configured):
    configured("tests.own_services:Narrow")
    with pytest.raises(
        SystemExit, match=r"Error: SCORE_SERVICE_FACTORY was .*run_once"
    ):
        tasks.make_score_service()
