"""A posted round through real model processes, from the features to the rows."""

import pytest

from competitions import lifecycle
from competitions.models import Prediction
from competitions.tournament.ask_samples import ask_some
from competitions.tournament.opening import open_round
from tests.competitions.gateway.conftest import wait_live

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
MODEL = """
from tracker import TrackerBase
class Model(TrackerBase):
    def predict(self, features):
        return {{"value": {value}}}
"""


def test_real_models_answer_each_sample_by_its_features(stage, tape, frozen_clock):
    draft = lifecycle.create_competition(slug="btc", pack_name="baseline")
    competition = lifecycle.activate(competition_id=draft.pk)
    stage.add_all(
        {
            "double": MODEL.format(value="2 * features['x']"),
            "inverse": MODEL.format(value="1 / features['x']"),
        }
    )
    gateway = stage.gateway()
    wait_live(gateway, "double", "inverse")
    samples = [{"x": x} for x in (0, 2, 4, 5)]
    round_ = open_round(competition=competition, round_id="r1", features=samples)

    assert ask_some(competition_id=competition.pk, gateway=gateway)
    while ask_some(competition_id=competition.pk, gateway=gateway):
        pass

    round_.refresh_from_db()
    assert (round_.status, round_.asked) == ("INFERRED", 4)
    rows = Prediction.objects.filter(round__tournament=round_).order_by("round__sample")
    found = {
        model: [
            p.output.get("value") if p.outcome == "ANSWERED" else p.reason
            for p in rows.filter(model__model_id=model)
        ]
        for model in ("double", "inverse")
    }
    assert found["double"] == [0.0, 4.0, 8.0, 10.0]
    assert found["inverse"][0].startswith("predict: ZeroDivisionError")
    assert found["inverse"][1:] == [0.5, 0.25, 0.2]
