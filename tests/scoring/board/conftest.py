"""What the tests of this room share."""

from datetime import timedelta

from competitions.contract import CrunchConfig
from competitions.slots import wire
from scoring.board.aggregator import Entrant
from scoring.board.ranking import Standing
from scoring.board.standings import standings
from scoring.models import Snapshot
from tests.conftest import NOW

HOUR = timedelta(hours=1)
WIRING = wire(CrunchConfig(), {})


def snap(model, hours_ago, value, count=1, **summary):
    start = NOW - hours_ago * HOUR
    return Snapshot.objects.create(
        model=model,
        period_start=start,
        period_end=start + HOUR,
        prediction_count=count if value is not None else 0,
        expected_count=count,
        value=value,
        result_summary={"value": value, **summary},
        content_hash="",
        is_closed=True,
        created_at=NOW,
        updated_at=NOW,
    )


def lines_at(competition, as_of=NOW, wiring=WIRING):
    found = standings(competition=competition, wiring=wiring, as_of=as_of)
    return {line.model.model_id: line for line in found}


def line(model_id, value):
    return Standing(
        model=Entrant(0, model_id, model_id), metrics={}, samples={}, value=value
    )


REVERSED = "tests.scoring.board.test_leaderboard:worst_first"
