"""A session of a report user interface: the schema first, then all that it names."""

from datetime import datetime

import pytest

from competitions.contract import CrunchConfig, EnsembleConfig
from scoring.models import Snapshot
from scoring.snapshots.ensembles import model_id_of
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

METRICS = ("ic", "hit_rate", "model_correlation", "fnc")
CONFIG = CrunchConfig(metrics=METRICS, ensembles=(EnsembleConfig(name="all"),))
CONFIG_PATH = f"{__name__}:CONFIG"


@pytest.fixture
def world(tape, frozen_clock):
    made = factories.running_competition(at=frozen_clock, models=4, hours=4)
    made.competition.config_path = CONFIG_PATH
    made.competition.save()
    figures = dict.fromkeys(METRICS, 0.25)
    for snapshot in Snapshot.objects.all():
        snapshot.result_summary |= figures
        snapshot.save()
    ensemble = made.models[-1]
    ensemble.model_id, ensemble.is_virtual = model_id_of("all"), True
    ensemble.save()
    return made


@pytest.fixture
def asked(client, world):
    def ask(path, **query):
        response = client.get(path, query)
        assert response.status_code == 200, (path, response.content)
        return response.json()

    return ask


def test_the_interface_finds_what_the_schema_names(asked, world):
    assert set(asked("/info")) == {"crunch_id", "crunch_address", "network"}
    schema = asked("/reports/schema")
    assert schema["schema_version"] == "1"
    assert asked("/reports/schema/leaderboard-columns") == schema["leaderboard_columns"]
    widgets = asked("/reports/schema/metrics-widgets")
    assert widgets == schema["metrics_widgets"]
    board = asked("/reports/leaderboard")
    for column in schema["leaderboard_columns"]:
        kinds = (str,) if column["type"] in ("MODEL", "USERNAME") else (int, float)
        values = [row.get(column["property"]) for row in board]
        assert all(v is None or type(v) in kinds for v in values), column
    names = {model["model_id"] for model in asked("/reports/models")}
    assert {row["model_id"] for row in board} <= names
    assert len(widgets) == 7
    ids = ",".join(sorted(names))
    for widget in widgets:
        rows = asked(widget["endpointUrl"], projectIds=ids)
        assert rows, widget["displayName"]
        draws(widget, rows)


def draws(widget, rows):
    """A chart finds its axis, its numbers, its groups and its alerts in each row."""
    chart = widget["nativeConfiguration"]
    axis, series = chart["xAxis"]["name"], chart["yAxis"]["series"]
    for row in rows:
        is_time = axis.endswith(("_at", "_end"))
        assert datetime.fromisoformat(row[axis]) if is_time else type(row[axis]) is str
        if "groupBy" in chart:
            assert type(row[chart["groupBy"]]) is str
        if alert := chart.get("alertConfig"):
            assert type(row[alert["field"]]) is bool
            assert isinstance(row[alert["reasonField"]], str | None)
    for one in series:
        values = [row.get(one["name"]) for row in rows]
        assert all(v is None or type(v) in (int, float) for v in values), one
        assert any(one["name"] in row for row in rows), (widget["displayName"], one)


def test_what_is_asked_for_some_models_is_about_these_alone(asked, world):
    for path in ("global", "params", "metrics", "summary"):
        rows = asked(f"/reports/models/{path}", projectIds="m1,m2")
        assert {row["model_id"] for row in rows} <= {"m1", "m2"}, path
    rows = asked("/reports/predictions", projectIds=["m1", "m2"])
    assert {row["model_id"] for row in rows} == {"m1", "m2"}
    performed = [row["performed_at"] for row in rows]
    assert performed == sorted(performed)
