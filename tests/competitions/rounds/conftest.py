"""Rounds that wait for their models, and what became of asking."""

import pytest

from competitions import grid_dispatch
from competitions.models import Prediction, Round
from competitions.rounds.perform import perform_round
from tests.competitions.conftest import AnsweringGateway
from tests.conftest import NOW


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


def waiting(competition, *slots):
    """Create waiting rounds of these slots, in this order."""
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
