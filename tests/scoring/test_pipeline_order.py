"""The ten slots are asked in the order of the pipeline, each with its arguments."""

from datetime import timedelta

import pytest

from competitions import defaults, grid_dispatch
from competitions.models import Competition, Prediction, Round
from competitions.report_schema import report_schema
from competitions.rounds.perform import perform_round
from competitions.slots import SLOTS
from feeds.tape.writes import append
from scoring.cycle import run_cycle
from scoring.models import Leaderboard
from tests.competitions.conftest import AnsweringGateway
from tests.scoring.factories import candles, make_competition

ORDER = [
    "RAW_INPUT_PROVIDER",
    "INFERENCE_INPUT_BUILDER",
    "PREDICTION_SCOPE_BUILDER",
    "PREDICT_CALL_BUILDER",
    "INFERENCE_OUTPUT_VALIDATOR",
    "GROUND_TRUTH_RESOLVER",
    "SCORING_FUNCTION",
    "MODEL_SCORE_AGGREGATOR",
    "LEADERBOARD_RANKER",
    "REPORT_SCHEMA_PROVIDER",
]
ASKED = []


def recording(slot):
    """The engine's callable for a slot, which notes that it was asked."""
    own = getattr(defaults, slot.lower())

    def call(*args, **named):
        ASKED.append(slot)
        return own(*args, **named)

    names = ", ".join(SLOTS[slot])
    context = {"RAW_INPUT_PROVIDER", "PREDICTION_SCOPE_BUILDER", "PREDICT_CALL_BUILDER"}
    if slot in context:
        text = f"lambda {names}, context: call({names}, context=context)"
        text = text.replace("context:", "context=None:", 1)
    else:
        text = f"lambda {names}: call({names})"
    return eval(text, {"call": call})


for _slot in SLOTS:
    globals()[_slot] = recording(_slot)


@pytest.fixture
def competition(db, tape, frozen_clock):
    made = make_competition(frozen_clock - timedelta(hours=2))
    slots = {slot: f"{__name__}:{slot}" for slot in SLOTS}
    Competition.objects.update(slots=slots)
    made.refresh_from_db()
    return made


def test_a_round_goes_through_the_ten_slots_in_order(competition, frozen_clock, at):
    assert set(ORDER) == set(SLOTS)
    ASKED.clear()
    minute = timedelta(minutes=1)
    append(candles(frozen_clock - 10 * minute, [100.0 + i for i in range(10)]))
    grid_dispatch.predict_now(competition_id=competition.pk)
    round_ = Round.objects.select_related("scheduled_prediction__competition").get()
    assert perform_round(round_=round_, gateway=AnsweringGateway({"a": 1.0, "b": 2.0}))
    with at(frozen_clock + 2 * minute):
        append(candles(frozen_clock, [110.0, 111.0]))
        report = run_cycle(competition_id=competition.pk)
        assert report_schema(competition)["leaderboard_columns"]

    assert (report.resolved, report.scored) == (1, 2)
    assert list(dict.fromkeys(ASKED)) == ORDER
    assert ASKED.count("INFERENCE_OUTPUT_VALIDATOR") == 2
    assert Prediction.objects.filter(outcome="ANSWERED").count() == 2
    entries = Leaderboard.objects.get().entries.order_by("rank")
    assert [entry.model.model_id for entry in entries] == ["b", "a"]
