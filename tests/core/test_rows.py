"""Pages that are read as values show what their serializers show of objects."""

import json

import pytest
from rest_framework import serializers

from competitions.api import ModelRow
from competitions.models import ParticipantModel
from core.paging import Keyset, read_int
from core.rendering import FastJson
from core.rows import page_of_rows
from emissions.api.shapes import CheckpointRow
from emissions.models import Checkpoint
from scoring.api.boards import SnapshotRow
from scoring.api.rank_reports import RankRow
from scoring.models import LeaderboardEntry, Snapshot
from tests import factories

pytestmark = pytest.mark.django_db
BY_KEY = Keyset("pk", read_int)


@pytest.fixture
def world(frozen_clock):
    world = factories.running_competition(at=frozen_clock, models=3, hours=2)
    ParticipantModel.objects.filter(model_id="m1").update(
        cruncher=None, is_virtual=True
    )
    return world


@pytest.mark.parametrize(
    ("row", "model"),
    [
        (ModelRow, ParticipantModel),
        (SnapshotRow, Snapshot),
        (RankRow, LeaderboardEntry),
        (CheckpointRow, Checkpoint),
    ],
)
def test_a_page_of_values_is_that_of_the_objects(world, row, model):
    rows = model.objects.all()
    page, following = page_of_rows(row, rows, BY_KEY, limit=1000)
    assert page
    assert following is None
    shown = FastJson().render(row(rows.order_by("pk"), many=True).data)
    assert json.loads(FastJson().render(page)) == json.loads(shown)


def test_the_cursor_leads_to_the_rows_that_are_left(world):
    rows = Snapshot.objects.all()
    first, following = page_of_rows(SnapshotRow, rows, BY_KEY, limit=2)
    others, end = page_of_rows(SnapshotRow, rows, BY_KEY, limit=1000, cursor=following)
    assert end is None
    keys = [f"SNAP_{pk}" for pk in rows.order_by("pk").values_list("pk", flat=True)]
    assert [row["id"] for row in first + others] == keys


def test_a_field_that_is_no_columns_value_is_refused(world):
    class Row(serializers.Serializer):
        name = serializers.SerializerMethodField()

    with pytest.raises(TypeError, match=r"Row\.name"):
        page_of_rows(Row, Snapshot.objects.all(), BY_KEY, limit=1)
