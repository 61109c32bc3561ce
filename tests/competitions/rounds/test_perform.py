from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from competitions import grid_dispatch
from competitions.callables import guarded_calls
from competitions.gateway.types import ModelAnswer
from competitions.models import Competition, ParticipantModel, Prediction, Round
from competitions.roster import sync_roster
from competitions.rounds import perform
from competitions.rounds.perform import perform_round, perform_waiting
from core import clock
from feeds.errors import TapeError
from tests.competitions import own_callables
from tests.competitions.conftest import AnsweringGateway, identity
from tests.competitions.rounds.conftest import ask, outcomes, waiting
from tests.conftest import NOW
from tests.feeds.factories import tape_away

pytestmark = pytest.mark.usefixtures("tape")
SECOND = timedelta(seconds=1)


def test_every_known_model_gets_one_immutable_answer(round_):
    ask(round_, {"a": {"value": 0.5}, "b": 2, "c": None})
    assert outcomes() == {"a": "ANSWERED", "b": "ANSWERED", "c": "ABSENT"}
    answer = Prediction.objects.get(model__model_id="b")
    assert answer.output == {"value": 2.0}
    assert answer.exec_time_us == 1500
    assert answer.performed_at == NOW


def test_the_round_keeps_input_scope_and_when_it_resolves(round_):
    ask(round_, {"a": 1.0})
    round_.refresh_from_db()
    assert (round_.performed_at, round_.resolvable_at) == (
        NOW,
        NOW + timedelta(seconds=60),
    )
    assert round_.scope["subject"] == round_.scope["asset"] == "BTCUSDT"
    assert round_.scope["resolve_horizon_seconds"] == 60
    assert round_.model_input is None
    newest = round_.raw_data["candles_1m"][-1]
    assert (len(round_.raw_data["candles_1m"]), newest["close"]) == (120, 219.0)


def test_a_model_fails_since_the_first_error_of_the_present_run(competition, at):
    def since(second, answer=None, setup=""):
        error = identity("a", error=setup)
        with at(NOW + second * SECOND):
            sync_roster(competition=competition, identities=[error])
            if answer is not None:
                scheduled = competition.scheduled_predictions.get()
                round_ = Round.objects.create(
                    competition=competition,
                    scheduled_prediction=scheduled,
                    slot_at=NOW + second * SECOND,
                    scope_key="default",
                    received_at=NOW,
                )
                ask(round_, {"a": answer})
        found = ParticipantModel.objects.get().first_error_at
        return found and (found - NOW) // SECOND

    failed = ModelAnswer("a", "FAILED", reason="KeyError")
    deaf = ModelAnswer("a", "ANSWERED", {"value": 1.0}, warning="feed_update: KeyError")
    absent = ModelAnswer("a", "ABSENT", reason="no answer")
    assert since(0, 1.0) is None
    assert since(1, failed) == 1
    assert since(2, {"value": "much"}) == 1
    assert since(3, deaf) == 1
    assert since(4, absent) == 1
    assert since(5, 1.0) is None
    assert since(6, absent) is None
    assert since(7, setup="no weights") == 7
    assert since(8, setup="no weights") == 7
    assert since(9, 1.0) is None
    assert since(10, setup="no weights") == 10  # the same text, but another run
    assert since(8, setup="no weights at all") == 8  # the clock was ahead


def test_waiting_rounds_are_asked_oldest_slot_first(competition, monkeypatch):
    waiting(competition, NOW, NOW - 2 * SECOND, NOW - SECOND)
    asked = []
    monkeypatch.setattr(
        perform, "perform_round", lambda round_, gateway: asked.append(round_.slot_at)
    )
    monkeypatch.setattr(perform, "_miss", lambda *_: None)
    perform_waiting(competition_id=competition.pk, gateway=AnsweringGateway({"a": 1.0}))
    assert asked == [NOW - 2 * SECOND, NOW - SECOND, NOW]


class SlowGateway(AnsweringGateway):
    """Models that need three seconds."""

    def ask(self, **asked):
        clock.current().tick(3)
        return super().ask(**asked)


def test_a_round_counts_from_when_its_models_were_asked(competition, jumping):
    """Not from when they had answered: the input would be older than it says."""
    (round_,) = waiting(competition, NOW)
    perform_round(round_=round_, gateway=SlowGateway({"a": 1.0}))
    round_.refresh_from_db()
    assert (round_.performed_at, round_.resolvable_at) == (NOW, NOW + 60 * SECOND)
    assert Prediction.objects.get().performed_at == NOW


def test_a_round_that_is_asked_late_ends_its_horizon_after_it_was_asked(
    competition, jumping
):
    (round_,) = waiting(competition, NOW)
    jumping.tick(7)
    perform_round(round_=round_, gateway=AnsweringGateway({"a": 1.0}))
    round_.refresh_from_db()
    late = NOW + 7 * SECOND
    assert (round_.performed_at, round_.resolvable_at) == (late, late + 60 * SECOND)


def test_statements_do_not_depend_on_the_number_of_models(competition):
    counts = []
    for second, size in enumerate((1, 1, 60, 60)):
        gateway = AnsweringGateway({str(i): float(i) for i in range(size)})
        scheduled = competition.scheduled_predictions.get()
        round_ = Round.objects.create(
            competition=competition,
            scheduled_prediction=scheduled,
            slot_at=NOW - timedelta(seconds=second),
            scope_key="default",
            received_at=NOW,
        )
        with CaptureQueriesContext(
            connection,
        ) as queries:
            perform_round(round_=round_, gateway=gateway)
        counts.append(len(queries))
    # Two are COPY; one of the others is of the rules: this process commits nothing.
    assert counts[1] == counts[3] <= 9


def test_a_round_that_comes_too_late_is_missed(round_, at):
    gateway = AnsweringGateway({"a": 1.0})
    with at(NOW + timedelta(minutes=2)):
        assert not perform_round(round_=round_, gateway=gateway)
    round_.refresh_from_db()
    assert round_.status == "MISSED"
    assert gateway.asked == []


def test_an_outage_of_the_models_side_is_held_against_no_model(competition, at):
    waiting(competition, NOW)
    gateway = AnsweringGateway({"a": 1.0})
    gateway.outage = "the orchestrator cannot be reached"
    asked = {"competition_id": competition.pk, "gateway": gateway}
    assert perform_waiting(**asked) == 1, "nobody is known who would be absent"

    early, late = waiting(competition, NOW + SECOND, NOW + 40 * SECOND)
    with at(NOW + 2 * SECOND):
        assert perform_waiting(**asked) == 0
    with at(NOW + 41 * SECOND):
        assert perform_waiting(**asked) == 0
        gateway.outage = ""
        assert perform_waiting(**asked) == 1
    early.refresh_from_db()
    late.refresh_from_db()
    assert early.status == "MISSED"
    assert early.reason == (
        "the models could only be asked 40 s after the slot: "
        "the orchestrator cannot be reached"
    )
    assert late.predictions.get().outcome == "ANSWERED"
    assert not early.predictions.exists()


def test_a_slot_that_raises_costs_its_round_and_not_the_next(competition):
    grid_dispatch.predict_now(competition_id=competition.pk)
    Competition.objects.update(
        slots={"RAW_INPUT_PROVIDER": "tests.competitions.own_callables:raising_input"}
    )
    gateway = AnsweringGateway({"a": 1.0})
    assert perform_waiting(competition_id=competition.pk, gateway=gateway) == 0
    assert "the data desk is closed" in Round.objects.get().reason
    Competition.objects.update(slots={})
    competition.scheduled_predictions.get().rounds.update(status="RECEIVED", reason="")
    assert perform_waiting(competition_id=competition.pk, gateway=gateway) == 1


@pytest.fixture
def hanging():
    """Calls that hang go on after the test."""
    own_callables.WOKEN.clear()
    yield
    own_callables.WOKEN.set()


def test_a_slot_that_hangs_for_one_feed_costs_the_rounds_of_no_other(
    competition, monkeypatch, hanging
):
    own = "tests.competitions.own_callables:hanging_for_ether"
    Competition.objects.update(slots={"RAW_INPUT_PROVIDER": own})
    ether = competition.scheduled_predictions.get()
    ether.pk, ether.scope_key = None, "eth"
    ether.scope_template = {"subject": "ETHUSDT"}
    ether.save()
    gateway = AnsweringGateway({"a": 1.0})
    first = ether.rounds.create(
        competition=competition, slot_at=NOW, scope_key="eth", received_at=NOW
    )
    with monkeypatch.context() as patch:
        patch.setattr(guarded_calls, "PATIENCE_S", 0.05)
        assert perform_waiting(competition_id=competition.pk, gateway=gateway) == 0
    first.refresh_from_db()
    assert first.reason == f"RAW_INPUT_PROVIDER ({own}): it took longer than 0.05 s"

    Round.objects.all().delete()
    grid_dispatch.predict_now(competition_id=competition.pk)
    assert perform_waiting(competition_id=competition.pk, gateway=gateway) == 1
    asked = Round.objects.get(scope_key="default")
    assert asked.predictions.get().outcome == "ANSWERED"
    missed = Round.objects.get(scope_key="eth")
    assert missed.reason.endswith("an earlier call of it is still at work")


def test_an_outage_of_the_tape_leaves_the_round_waiting(competition, round_):
    asked = {"competition_id": competition.pk, "gateway": AnsweringGateway({"a": 1.0})}
    with tape_away(), pytest.raises(TapeError, match="the tape's database failed"):
        perform_waiting(**asked)
    assert Round.objects.get().status == "RECEIVED"
    assert perform_waiting(**asked) == 1


def test_a_complete_roster_ends_the_wait_for_models_that_left(round_):
    gateway = AnsweringGateway({"a": 1.0, "b": 1.0})
    perform_round(round_=round_, gateway=gateway)
    gateway.identities = gateway.identities[:1]
    gateway.is_roster_complete = True
    again = Round.objects.create(
        competition=round_.competition,
        scheduled_prediction=round_.scheduled_prediction,
        slot_at=NOW - timedelta(seconds=1),
        scope_key="default",
        received_at=NOW,
    )
    perform_round(round_=again, gateway=gateway)
    assert [expected for _, _, expected in gateway.asked] == [{"a", "b"}, {"a"}]
