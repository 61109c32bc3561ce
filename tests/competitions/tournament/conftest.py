"""Posted rounds, and models that answer in process."""

import pytest

from competitions.gateway.types import ModelAnswer
from competitions.tournament.ask_samples import ask_some
from competitions.tournament.opening import open_round
from tests.competitions.conftest import AnsweringGateway


class SampleGateway(AnsweringGateway):
    """Each model answers by the sample's `x`: a function of it, or None for nothing.

    `dies_after` samples it is gone, as a gateway whose lock was lost.
    """

    def __init__(self, models, *, error=None, dies_after=None):
        super().__init__(models)
        self.error, self.dies_after = error, dies_after
        self.connecting = set()

    def live(self):
        return set(self.results) - self.connecting

    def ask(self, *, feed, question, expected):
        if self.dies_after is not None and len(self.asked) >= self.dies_after:
            raise self.error
        return super().ask(feed=feed, question=question, expected=expected)

    def _answer(self, model_id):
        question = self.asked[-1][1]
        (argument,) = question.args
        result = self.results[model_id](argument.value["x"])
        if isinstance(result, Exception):
            return ModelAnswer(model_id, "FAILED", reason=f"predict: {result}")
        return ModelAnswer(model_id, "ANSWERED", result, exec_time_us=1500)


def features(count):
    return [{"x": i} for i in range(count)]


@pytest.fixture
def opened(competition):
    """Three samples of the competition's first schedule."""
    return open_round(competition=competition, round_id="r1", features=features(3))


def ask_all(competition, gateway):
    """Ask until nothing is left; the number of batches."""
    batches = 0
    while ask_some(competition_id=competition.pk, gateway=gateway):
        batches += 1
    return batches
