import json
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from competitions import grid_dispatch
from competitions.gateway.types import Answer
from competitions.models import Competition, ParticipantModel, Prediction, Round
from competitions.roster import sync_roster
from competitions.rounds import perform
from competitions.rounds.perform import newest_feeds, perform_round, perform_waiting
from core import clock
from feeds.errors import TapeError
from tests.competitions.conftest import AnsweringGateway, identity
from tests.conftest import NOW
from tests.feeds.factories import tape_away

pytestmark = pytest.mark.usefixtures("tape")
SECOND = timedelta(seconds=1)


@pytest.fixture
def round_(competition):
    grid_dispatch.predict_now(competition_id=competition.pk)
    return Round.objects.select_related(
        "competition", "scheduled_prediction__competition"
    ).get()


def ask(round_, results, **options):
    gateway = AnsweringGateway(results, **options)
    perform_round(round_=round_, gateway=gateway)
    return gateway


def outcomes():
    return dict(Prediction.objects.values_list("model__model_id", "outcome"))


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


def test_models_are_shown_what_the_operators_input_builder_makes(round_):
    Competition.objects.update(
        slots={
            "INFERENCE_INPUT_BUILDER": "tests.competitions.callables:build_input",
        }
    )
    round_.competition.refresh_from_db()
    gateway = ask(round_, {"a": 1.0})
    shown = gateway.asked[0][0].args[0].value
    round_.refresh_from_db()
    assert shown == {**round_.raw_data, "built": True}
    assert round_.model_input == shown
    assert outcomes() == {"a": "ANSWERED"}


def test_models_are_shown_the_candles_and_asked_with_the_contracts_arguments(round_):
    gateway = ask(round_, {"a": 1.0})
    feed, question, _ = gateway.asked[0]
    assert feed.method == "feed_update"
    assert feed.args[0].value["symbol"] == "BTCUSDT"
    assert question.method == "predict"
    assert [(a.type, a.value) for a in question.args] == [
        ("STRING", "BTCUSDT"),
        ("INT", 60),
        ("INT", 60),
    ]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"value": float("nan")}, "value was nan"),
        ({"value": "much"}, "value was 'much'"),
        ({"price": 1.0}, r"keys were ['price']; one of ['value'] is needed"),
        ({"value": 1.0, "extra": [float("inf")]}, "a number was inf"),
        ("text", "value was 'text'"),
    ],
)
def test_an_invalid_output_fails_that_model_only_and_its_owner_is_told(
    round_, result, reason
):
    ask(round_, {"good": 1.0, "bad": result})
    assert outcomes() == {"good": "ANSWERED", "bad": "FAILED"}
    failed = Prediction.objects.get(outcome="FAILED")
    assert reason in failed.reason
    assert failed.output["raw_output"] == json.dumps(result)
    assert reason in ParticipantModel.objects.get(model_id="bad").last_error
    assert ParticipantModel.objects.get(model_id="good").last_error == ""


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"value": ["x" * 10**6] * 20}, "value was ['xxx"),
        ({"k" * 10**6: 1}, "keys were ['kkk"),
        ({"value": "\r\0\ud800"}, r"value was '\r\x00\ud800'"),
        ({"value": 1.0, "x": "x" * 20_000}, "the output has 20020 bytes; at most"),
    ],
)
def test_the_problem_of_an_invalid_output_is_as_short_as_any_text(
    round_, result, reason, caplog
):
    ask(round_, {"good": 1.0, "bad": result})
    assert outcomes() == {"good": "ANSWERED", "bad": "FAILED"}
    failed = Prediction.objects.get(outcome="FAILED")
    assert reason in failed.reason
    assert len(failed.reason) <= 2_000
    assert {len(text) <= 2_000 for text in failed.output.values()} == {True}
    line = next(m for m in caplog.messages if "prediction.output_invalid" in m)
    assert len(line) < 1_000


def test_a_contract_says_how_large_a_stored_output_may_be(competition, round_):
    Competition.objects.update(config_path="tests.competitions.callables:roomy")
    round_.competition.refresh_from_db()
    gateway = ask(round_, {"a": {"value": 1.0, "x": "x" * 20_000}})
    assert outcomes() == {"a": "ANSWERED"}
    assert gateway.asked[0][1].largest_answer_bytes == 32 * 2**10


REFUSALS = (
    "no shorts, please",
    "Object of type datetime is not JSON serializable",
)


@pytest.mark.parametrize(
    ("validator", "stored"),
    [
        ("doubling_in_place", {"a": {"value": 4.0}, "b": {"value": -2.0}}),
        ("refusing_the_negative", {"a": {"value": 2.0}}),
        ("dating_the_negative", {"a": {"value": 2.0}}),
    ],
)
def test_a_validator_judges_each_answer_alone(round_, validator, stored):
    Competition.objects.update(
        slots={
            "INFERENCE_OUTPUT_VALIDATOR": f"tests.competitions.callables:{validator}"
        }
    )
    round_.competition.refresh_from_db()
    ask(round_, {"a": {"value": 2.0}, "b": {"value": -1.0}})
    answered = Prediction.objects.filter(outcome="ANSWERED")
    assert dict(answered.values_list("model__model_id", "output")) == stored
    for failed in Prediction.objects.filter(outcome="FAILED"):
        problem = failed.reason.removeprefix("invalid output: ")
        assert problem in REFUSALS
        assert failed.output == {
            "_validation_error": problem,
            "raw_output": '{"value": -1.0}',
        }


def test_of_very_many_invalid_outputs_the_log_tells_the_first_and_the_number(
    round_, caplog
):
    ask(round_, {f"m{i:03d}": "text" for i in range(50)})
    assert sum("prediction.output_invalid" in m for m in caplog.messages) == 20
    assert any("prediction.outputs_invalid" in m for m in caplog.messages)


def test_what_the_wire_refused_is_kept_as_the_model_said_it(round_):
    refused = Answer("a", "FAILED", reason="predict: it is no JSON", raw="[1, NaN\r")
    ask(round_, {"a": refused})
    assert Prediction.objects.get().output == {
        "_validation_error": "predict: it is no JSON",
        "raw_output": "[1, NaN\n",
    }


def test_the_models_own_error_text_is_kept(round_):
    boom = Answer("a", "FAILED", reason="ValueError: boom", exec_time_us=10)
    ask(round_, {"a": boom})
    assert Prediction.objects.get().reason == "ValueError: boom"


def test_a_failing_feed_update_is_shown_to_the_models_owner(round_):
    answer = Answer("a", "ANSWERED", {"value": 1.0}, warning="feed_update: KeyError")
    ask(round_, {"a": answer})
    assert outcomes() == {"a": "ANSWERED"}
    assert ParticipantModel.objects.get().last_error == "feed_update: KeyError"


def test_what_a_models_setup_said_is_shown_to_its_owner(competition):
    broken = identity("a", error="ValueError: cannot load weights", state="RECOVERING")
    for _ in range(2):
        sync_roster(competition=competition, identities=[broken])
    row = ParticipantModel.objects.get()
    assert (row.last_error, row.last_error_at) == (broken.error, NOW)


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

    failed = Answer("a", "FAILED", reason="KeyError")
    deaf = Answer("a", "ANSWERED", {"value": 1.0}, warning="feed_update: KeyError")
    absent = Answer("a", "ABSENT", reason="no answer")
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


def test_performing_twice_stores_once(round_):
    ask(round_, {"a": 1.0})
    stale = Round.objects.select_related(
        "competition", "scheduled_prediction__competition"
    ).get()
    ask(stale, {"a": 2.0})
    assert Prediction.objects.get().output == {"value": 1.0}


def waiting(competition, *slots):
    """Rounds of these slots that nobody has asked yet, made in this order."""
    return [
        Round.objects.create(
            competition=competition,
            scheduled_prediction=competition.scheduled_predictions.get(),
            slot_at=slot_at,
            scope_key="default",
            received_at=NOW,
        )
        for slot_at in slots
    ]


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


@pytest.mark.django_db(transaction=True)
def test_a_round_whose_answers_cannot_be_kept_goes_on_waiting(
    competition, round_, monkeypatch
):
    """Else it would be taken for asked, and end without a single answer."""

    def full(*_):
        raise OperationalError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(perform, "copy_rows", full)
        with pytest.raises(OperationalError):
            ask(round_, {"a": 1.0})
    assert Round.objects.waiting().get().performed_at is None
    ask(round_, {"a": 1.0})
    assert outcomes() == {"a": "ANSWERED"}


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
    assert counts[1] == counts[3] <= 5


def test_a_tape_without_candles_misses_the_round_with_the_reason(round_, tape):
    tape()
    assert not perform_round(round_=round_, gateway=AnsweringGateway({"a": 1.0}))
    round_.refresh_from_db()
    assert round_.status == "MISSED"
    assert round_.reason == "the tape has no closed candle of simulated:BTCUSDT"
    assert not Prediction.objects.exists()


def test_a_round_that_comes_too_late_is_missed(round_, at):
    gateway = AnsweringGateway({"a": 1.0})
    with at(NOW + timedelta(minutes=2)):
        assert not perform_round(round_=round_, gateway=gateway)
    round_.refresh_from_db()
    assert round_.status == "MISSED"
    assert gateway.asked == []


def test_a_slot_that_raises_costs_its_round_and_not_the_next(competition):
    grid_dispatch.predict_now(competition_id=competition.pk)
    Competition.objects.update(
        slots={"RAW_INPUT_PROVIDER": "tests.competitions.callables:raising_input"}
    )
    gateway = AnsweringGateway({"a": 1.0})
    assert perform_waiting(competition_id=competition.pk, gateway=gateway) == 0
    assert "the data desk is closed" in Round.objects.get().reason
    Competition.objects.update(slots={})
    competition.scheduled_predictions.get().rounds.update(status="RECEIVED", reason="")
    assert perform_waiting(competition_id=competition.pk, gateway=gateway) == 1


def test_an_outage_of_the_tape_leaves_the_round_waiting(competition, round_):
    asked = {"competition_id": competition.pk, "gateway": AnsweringGateway({"a": 1.0})}
    with tape_away(), pytest.raises(TapeError, match="the tape's database failed"):
        perform_waiting(**asked)
    assert Round.objects.get().status == "RECEIVED"
    assert perform_waiting(**asked) == 1


def test_a_roster_becomes_crunchers_and_models_with_stable_indexes(round_):
    from tests.competitions.conftest import identity

    ask(
        round_,
        {"a": 1.0, "b": 1.0},
        identities=[identity("a"), identity("b", cruncher_id="cruncher-a")],
    )
    rows = ParticipantModel.objects.values_list(
        "model_id", "cruncher__cruncher_index"
    ).order_by("model_id")
    assert list(rows) == [("a", 0), ("b", 0)]


def test_a_stopped_model_is_no_longer_expected(competition, round_):
    sync_roster(competition=competition, identities=[identity("a"), identity("b")])
    left = sync_roster(
        competition=competition, identities=[identity("b", state="STOPPED")]
    )
    assert set(left) == {"a"}


def test_a_model_that_left_while_nobody_listened_is_no_longer_expected(
    competition, django_assert_num_queries
):
    here, gone = identity("a"), identity("b")
    sync_roster(competition=competition, identities=[here, gone])
    with django_assert_num_queries(1):
        left = sync_roster(competition=competition, identities=[here])
    assert set(left) == {"a", "b"}, "it may be coming back"

    with django_assert_num_queries(2):
        left = sync_roster(competition=competition, identities=[here], is_complete=True)
    assert set(left) == {"a"}
    assert ParticipantModel.objects.get(model_id="b").state == "STOPPED"
    with django_assert_num_queries(1):
        sync_roster(competition=competition, identities=[here], is_complete=True)

    left = sync_roster(
        competition=competition, identities=[here, gone], is_complete=True
    )
    assert set(left) == {"a", "b"}, "and it may come back later"


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


def test_the_newest_feed_update_is_what_a_round_would_show(round_):
    (feed,) = newest_feeds(slug="btc")
    gateway = ask(round_, {"a": 1.0})
    assert feed == gateway.asked[0][0]


def test_an_empty_tape_has_no_feed_update(competition, tape):
    tape()
    assert newest_feeds(slug="btc") == []


def test_schedules_of_one_subject_share_a_feed_update(competition):
    scheduled = competition.scheduled_predictions.get()
    scheduled.pk, scheduled.scope_key, scheduled.order = None, "other", 1
    scheduled.save()
    assert len(newest_feeds(slug="btc")) == 1
