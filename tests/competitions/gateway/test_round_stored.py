"""One round with every kind of model at once, from the tape to the rows."""

import pytest

from competitions import grid_dispatch, lifecycle
from competitions.models import ParticipantModel, Prediction, Round
from competitions.roster import sync_roster
from competitions.rounds.perform import perform_waiting
from tests.competitions.conftest import identity
from tests.competitions.gateway.conftest import LIMIT_S, STEADY, predicting, wait_live

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.usefixtures("tape"),
]
INIT = STEADY + "    def __init__(self): raise OSError('no weights')\n"
# Model -> source, outcome and the reason's beginning.
ZOO = {
    "steady": (STEADY, "ANSWERED", ""),
    "raising": (predicting("return 1 / 0"), "FAILED", "predict: ZeroDivisionError"),
    "hanging": (predicting("while True: pass"), "FAILED", "predict: no answer in 5 s"),
    "dying": (
        predicting("__import__('os')._exit(1)"),
        "FAILED",
        "predict: its process",
    ),
    "tuple": (predicting("return (1.0,)"), "FAILED", "predict: the answer was of type"),
    "nan": (predicting("return float('nan')"), "FAILED", "predict: the answer was nan"),
    "nul": (
        predicting("return 'a\\0b'"),
        "FAILED",
        "predict: the answer contains a NUL",
    ),
    "key": (predicting("return {'price': 1}"), "FAILED", "invalid output: keys were"),
    "huge": (predicting("return 'x' * 2**24"), "FAILED", "predict: the answer exceeds"),
    "deep": (
        predicting("x = 1\nfor _ in range(900): x = [x]\nreturn x"),
        "FAILED",
        "predict: the answer is nested deeper",
    ),
    "cr": (predicting(r"raise ValueError('\r')"), "FAILED", "predict: ValueError: \n"),
    "mark": (
        predicting(r"raise ValueError('\x01')"),
        "FAILED",
        "predict: ValueError: \ufffd",
    ),
    "loud": (
        predicting("raise ValueError('x' * 3_000_000)"),
        "FAILED",
        "predict: ValueError: xxx",
    ),
    "wide": (
        predicting("return [[]] * 2_000_000"),
        "FAILED",
        "predict: the answer exceeds 1 MiB",
    ),
    "nul-setup": (
        STEADY + "    def __init__(self): raise ValueError('a\\0b')\n",
        "ABSENT",
        "ValueError: a\ufffdb",
    ),
    "loud-setup": (
        STEADY + "    def __init__(self): raise ValueError('x' * 3_000_000)\n",
        "ABSENT",
        "ValueError: xxx",
    ),
    "deaf": (
        STEADY + "    def feed_update(self, data): raise KeyError('price')\n",
        "ANSWERED",
        "",
    ),
    "foreign": ("class Model: pass", "ABSENT", "no subclass of tracker.TrackerBase"),
    "unmade": (INIT, "ABSENT", "OSError: no weights"),
    "slow": ("import time; time.sleep(60)", "ABSENT", "its process is starting"),
    "stopped": (STEADY, "FAILED", "feed_update: no answer in 5 s"),
    "withdrawn": (STEADY, "ABSENT", "its process is starting"),
}


def test_each_model_gets_its_own_row_and_nobody_anothers_fate(stage, frozen_clock):
    draft = lifecycle.create_competition(slug="btc", pack_name="baseline")
    competition = lifecycle.activate(competition_id=draft.pk)
    stage.add_all({name: source for name, (source, *_) in ZOO.items()})
    stage.orchestrator.announce("unreachable", address=("127.0.0.1", 9))
    gateway = stage.gateway(timeout_s=LIMIT_S)
    absent = {name for name, (_, outcome, _) in ZOO.items() if outcome == "ABSENT"}
    wait_live(gateway, *ZOO.keys() - absent)
    stage.models["stopped"].freeze()
    stage.orchestrator.withdraw("withdrawn", "RECOVERING")
    sync_roster(competition=competition, identities=[identity("long-gone")])
    grid_dispatch.predict_now(competition_id=competition.pk)

    assert perform_waiting(competition_id=competition.pk, gateway=gateway) == 1

    assert Round.objects.get().performed_at == frozen_clock
    rows = Prediction.objects.values_list("model__model_id", "outcome", "reason")
    found = {name: (outcome, reason) for name, outcome, reason in rows}
    expected = {name: (outcome, said) for name, (_, outcome, said) in ZOO.items()}
    expected["long-gone"] = ("ABSENT", "the orchestrator does not know it")
    expected["unreachable"] = ("ABSENT", "")
    assert found.keys() == expected.keys()
    assert len(rows) == len(found)
    for name, (outcome, said) in expected.items():
        assert found[name][0] == outcome, (name, found[name])
        assert found[name][1].startswith(said), (name, found[name])
    errors = dict(ParticipantModel.objects.values_list("model_id", "last_error"))
    assert errors["deaf"] == "feed_update: KeyError: 'price' (main.py:6)"
    assert errors["steady"] == ""
