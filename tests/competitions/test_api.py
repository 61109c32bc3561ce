import pytest

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


def test_a_contract_that_cannot_be_loaded_is_named(client, db):
    factories.competition(config_path="no.such.module:Thing")
    response = client.get("/reports/schema")
    assert response.status_code == 503
    assert response.json()["code"] == "contract_invalid"
    assert "no.such.module" in response.json()["detail"]
