"""The operator's service asks the models, in place of the site's."""

import pytest

from competitions import predict_service, run_models, tasks
from competitions.models import CallableFailure, Competition
from competitions.predict_service import VARIABLE, ask_by, own_predict_service
from competitions.run_models import ModelDaemon
from core.service_factories import FactoryRefusedError, make_service
from tests.competitions.conftest import AnsweringGateway
from tests.own_services import Counting

PATH = "tests.own_services:Counting"


@pytest.fixture
def configured(settings, monkeypatch):
    """Name a factory; its services note their calls in the list that is returned."""
    called = []
    monkeypatch.setattr(Counting, "called", called)
    monkeypatch.setattr(predict_service, "PATIENCE_S", 30)

    def name(path=PATH, answer=3):
        monkeypatch.setattr(Counting, "answer", answer)
        settings.ENV = settings.ENV.model_copy(update={"predict_service_factory": path})
        return called

    yield name
    make_service.cache_clear()


@pytest.fixture
def gateway(monkeypatch):
    found = AnsweringGateway({"a": 1.0})
    found.wait_settled = lambda seconds: None
    monkeypatch.setattr(tasks.pool, "gateway_of", lambda key: found)
    monkeypatch.setattr(run_models.pool, "gateway_of", lambda key: found)
    return found


def test_without_a_factory_there_is_no_service():
    assert own_predict_service() is None


def test_it_is_made_once(configured):
    configured()
    assert own_predict_service() is own_predict_service()


def test_the_task_and_the_daemon_let_it_ask(configured, gateway, competition, tape):
    called = configured()
    tasks.predict(competition.pk)
    daemon = ModelDaemon()
    daemon._listen = lambda competition: None
    assert daemon.turn() == 3
    assert called == [(competition, gateway), (competition, gateway)]
    assert gateway.asked == []


def test_it_is_called_though_no_round_waits(configured, competition, monkeypatch):
    configured()
    sent = []
    monkeypatch.setattr(
        tasks.predict, "apply_async", lambda args, **_: sent.append(args)
    )
    monkeypatch.setattr(tasks.grid_dispatch, "dispatch", list)
    tasks.dispatch()
    assert sent == [[competition.pk]]
    Competition.objects.update(status=Competition.Status.PAUSED)
    tasks.dispatch()
    assert sent == [[competition.pk]]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (RuntimeError("no news today"), "no news today"),
        (None, "run_once gave None; give the number of rounds asked"),
        (True, "run_once gave True"),
        (-1, "run_once gave -1"),
    ],
)
def test_a_failure_is_a_row_until_it_works_again(configured, competition, answer, text):
    configured(answer=answer)
    service = own_predict_service()
    assert ask_by(service, competition=competition, gateway=None) == 0
    (failure,) = CallableFailure.objects.all()
    assert (failure.callable, failure.path) == (VARIABLE, PATH)
    assert text in failure.text
    configured(answer=2)
    assert ask_by(service, competition=competition, gateway=None) == 2
    assert not CallableFailure.objects.exists()


def test_a_worker_with_a_refused_factory_ends_and_says_why(configured):
    configured("tests.own_services:Idle")
    with pytest.raises(FactoryRefusedError):
        own_predict_service()
    with pytest.raises(SystemExit, match="Error: PREDICT_SERVICE_FACTORY was 'tests"):
        tasks.make_predict_service()
