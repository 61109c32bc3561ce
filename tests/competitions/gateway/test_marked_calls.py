"""A model's own runner marks its log with the round that a call is of."""

from dataclasses import replace

from competitions.local_models.log_pages import read_round
from tests.competitions.gateway.conftest import QUESTION, ask, wait_live

LOUD = """
import sys
from tracker import TrackerBase
class Model(TrackerBase):
    count = 0
    def feed_update(self, data):
        print("fed", self.count, flush=True)
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        self.count += 1
        sys.stdout.write(f"asked {self.count}")  # and no end of the line
        sys.stdout.flush()
        if self.count == 2:
            raise ValueError("the second one")
        return 1.0
"""


def test_what_a_model_prints_in_a_round_is_found_by_the_round(stage):
    model = stage.add("loud", LOUD)
    gateway = stage.gateway()
    wait_live(gateway, "loud")
    outcomes = [
        ask(gateway, ["loud"], question=replace(QUESTION, label=label))["loud"].outcome
        for label in ("41", "42", "")
    ]
    assert outcomes == ["ANSWERED", "FAILED", "ANSWERED"]
    first, second = (read_round(model.log_path, n).text for n in (41, 42))
    assert first == (
        "[round 41: feed_update]\nfed 0\n[round 41: feed_update ended]\n"
        "[round 41: predict]\nasked 1[round 41: predict ended]\n"
    )
    assert "asked 2" in second
    assert "ValueError: the second one" in second
    assert "asked 3" in model.log_path.read_text()
    assert "asked 3" not in second
    assert read_round(model.log_path, 43) is None
