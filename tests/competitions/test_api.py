import pytest

from competitions.contract import CrunchConfig, EnsembleConfig, ScoreResult
from competitions.models import CallableFailure
from competitions.standard_report import standard_schema
from scoring.models import Snapshot
from tests import factories

pytestmark = pytest.mark.django_db


def test_models_with_the_protocols_keys(client, frozen_clock):
    of = factories.competition()
    factories.participants(of, 3, at=frozen_clock)
    rows = client.get("/reports/models").json()
    assert [row["model_id"] for row in rows] == ["m1", "m2", "m3"]
    assert rows[0] == {
        "model_id": "m1",
        "model_name": "Meridian",
        "cruncher_name": "alice",
        "cruncher_id": "cr-alice",
        "deployment_id": "dep-1",
        "excluded_at": None,
        "exclusion_reason": "",
    }


def test_a_full_page_links_to_the_next(client, frozen_clock):
    of = factories.competition()
    factories.participants(of, 3, at=frozen_clock)
    response = client.get("/reports/models?limit=2")
    assert len(response.json()) == 2
    link = response.headers["Link"]
    assert link.endswith('>; rel="next"')
    following = client.get(link[1 : link.index(">")])
    assert [row["model_id"] for row in following.json()] == ["m3"]
    assert "Link" not in following.headers


def test_the_schema_has_a_column_per_window(client, db):
    factories.competition()
    schema = client.get("/reports/schema").json()
    assert set(schema) == {"schema_version", "leaderboard_columns", "metrics_widgets"}
    columns = client.get("/reports/schema/leaderboard-columns").json()
    assert columns == schema["leaderboard_columns"]
    assert (
        client.get("/reports/schema/metrics-widgets").json()
        == (schema["metrics_widgets"])
    )
    properties = [column["property"] for column in columns]
    assert properties[:4] == [
        "model_id",
        "score_recent",
        "score_steady",
        "score_anchor",
    ]


def test_a_column_for_each_window_metric_and_number_of_the_score_type():
    class Trade(ScoreResult):
        pnl: float = 0.0
        trades: int | None = None
        note: str = ""

    config = CrunchConfig(score_type=Trade, metrics=("ic", "hit_rate", "my.own:edge"))
    columns = standard_schema(config)["leaderboard_columns"]
    assert [
        (c["property"], c["displayName"], c["format"], c["order"]) for c in columns[1:]
    ] == [
        ("score_recent", "Score Recent", "decimal-2", 10),
        ("score_steady", "Score Steady", "decimal-2", 20),
        ("score_anchor", "Score Anchor", "decimal-2", 30),
        ("ic", "IC", "decimal-4", 100),
        ("hit_rate", "Hit Rate", "decimal-2", 110),
        ("my.own:edge", "Edge", "decimal-4", 120),
        ("pnl", "Pnl", "decimal-4", 200),
        ("trades", "Trades", "decimal-4", 210),
    ]
    assert [c["id"] for c in columns] == list(range(1, 10))


def test_widgets_follow_from_metrics_and_ensembles():
    def titles(**config):
        widgets = standard_schema(CrunchConfig(**config))["metrics_widgets"]
        assert [w["order"] for w in widgets] == sorted(w["order"] for w in widgets)
        return {w["displayName"] for w in widgets}

    least = {
        *("Score Metrics", "Rolling Score by Scope", "Predictions", "Reward History"),
    }
    assert titles(metrics=()) == least
    assert titles(metrics=("ic",)) == least | {"Multi-Metric Overview"}
    ensembles = (EnsembleConfig(name="all"),)
    assert titles(metrics=("fnc",), ensembles=ensembles) == least | {
        *("Multi-Metric Overview", "Model Diversity", "Ensemble Performance"),
    }


def test_every_widget_finds_its_fields_in_its_endpoint(client, frozen_clock):
    world = factories.running_competition(at=frozen_clock, models=3, hours=2)
    for snapshot in Snapshot.objects.all():
        snapshot.result_summary |= dict.fromkeys(CrunchConfig().metrics, 0.5)
        snapshot.save()
    for widget in client.get("/reports/schema/metrics-widgets").json():
        rows = client.get(widget["endpointUrl"]).json()
        chart = widget["nativeConfiguration"]
        wanted = {chart["xAxis"]["name"]} | {
            series["name"] for series in chart["yAxis"]["series"]
        }
        wanted |= {chart[key] for key in ("groupBy",) if key in chart}
        wanted |= set(chart.get("alertConfig", {}).values())
        assert wanted <= rows[0].keys(), widget["displayName"]
    assert world.competition


def half_a_schema():
    return {"schema_version": "1", "leaderboard_columns": [{"id": 1}]}


def raising_schema():
    raise ValueError("no schema today")


@pytest.mark.parametrize(
    ("provider", "said"),
    [(half_a_schema, "metrics_widgets"), (raising_schema, "no schema today")],
)
@pytest.mark.django_db(databases=["default", "tape"])
def test_while_the_operators_schema_fails_the_standard_one_stands_in(
    client, provider, said
):
    standard = client.get("/reports/schema").json()
    path = f"{__name__}:{provider.__name__}"
    factories.competition(slots={"REPORT_SCHEMA_PROVIDER": path})
    for page in ("/", "/leaderboard.csv", "/reports/schema"):
        response = client.get(page)
        assert response.status_code == 200, page
    assert response.json() == standard
    failure = CallableFailure.objects.get()
    assert (failure.callable, failure.path) == ("REPORT_SCHEMA_PROVIDER", path)
    assert said in failure.text
    assert failure.count == 1, "asked once for the three pages"


@pytest.mark.parametrize(
    "path", ["no.such.module:Thing", f"{__name__}:client", "tests.competitions.broken"]
)
@pytest.mark.django_db(databases=["default", "tape"])
def test_pages_are_shown_whatever_a_contract_is(client, path):
    factories.competition(config_path=path)
    for page in ("/", "/leaderboard.csv", "/reports/schema", "/diversity"):
        assert client.get(page).status_code == 200, page
