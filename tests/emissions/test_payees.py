"""Who is paid, and in which order."""

from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from competitions.contract import CrunchConfig
from competitions.slots import wire
from core.grid import Period
from emissions.payees import payees_of
from scoring.board.standings import standings
from tests.emissions.conftest import DAY, HOUR, MIDNIGHT, snap
from tests.scoring.factories import make_models

WIRING = wire(CrunchConfig(), {})


@settings(
    max_examples=15,
)
@given(
    st.lists(
        st.tuples(st.sampled_from([-2.0, 0.0, 0.5, 3.0]), st.integers(0, 3)),
        min_size=1,
        max_size=8,
    )
)
def test_payout_order_is_the_order_of_the_board(competition, scores):
    with transaction.atomic():
        models = make_models(competition, *(f"m{i}" for i in range(len(scores))))
        for model, (value, count) in zip(models, scores, strict=True):
            snap(model, MIDNIGHT - HOUR, value, count)
        facts = {"competition": competition, "wiring": WIRING}
        paid = [
            entry["model_id"]
            for entry in payees_of(
                period=Period(MIDNIGHT - DAY, MIDNIGHT), **facts
            ).ranking
        ]
        board = [
            line.model.model_id
            for line in standings(as_of=MIDNIGHT, **facts)
            if line.value is not None
        ]
        transaction.set_rollback(True)
        most = max(count for _, count in scores)
        enough = {
            model.model_id
            for model, (_, count) in zip(models, scores, strict=True)
            if count and count >= most / 2
        }
    assert paid == [model_id for model_id in board if model_id in enough]
