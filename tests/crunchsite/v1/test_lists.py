"""What holds for every list of /api/v1/."""

import csv
import io
from datetime import datetime, timedelta

import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from competitions.models import Prediction
from crunchsite.keys.issuing import create_key
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

# The instant by which a list is cut into [since, until).
INSTANTS = {
    "rounds": "slot_at",
    "predictions": "slot_at",
    "scores": "scored_at",
    "snapshots": "period_start",
    "leaderboards": "as_of",
    "checkpoints": "period_end",
    "rewards": "period_end",
    "ledger": "created_at",
    "disputes": "created_at",
    "feeds/records": "ts_event",
}
FILES = ["predictions", "scores", "snapshots", "rewards", "ledger"]
OF_TAPE = ["feeds", "feeds/records"]  # its statements are counted in test_feeds
OF_SITE = ["competitions", "releases", *OF_TAPE]
LISTS = list(dict.fromkeys([*OF_SITE, "models", "leaderboard", *INSTANTS]))
# Statements of a page: the competition, then its rows; of rewards, the ensembles too.
STATEMENTS = {
    **dict.fromkeys(LISTS, 2),
    **dict.fromkeys(OF_SITE, 1),
    **dict.fromkeys(OF_TAPE, 0),
    "rewards": 3,
}


def statements(client, path, **query):
    with CaptureQueriesContext(
        connection,
    ) as seen:
        answer = client.get(f"/api/v1/{path}", query)
        body = answer.getvalue() if answer.streaming else answer.content
    assert answer.status_code == 200, body
    return len(seen), answer, body


@pytest.mark.parametrize("path", LISTS)
def test_pages_hold_every_row_once_in_one_order(path, asked, walked):
    whole = asked(path, limit=100)
    assert whole["next"] is None
    assert whole["results"]
    assert walked(path, limit=1) == whole["results"]


@pytest.mark.parametrize("path", LISTS)
def test_the_number_of_statements_does_not_depend_on_the_rows(path, client, world):
    for limit in (1, 3, 100):
        assert statements(client, path, limit=limit)[0] == STATEMENTS[path]


@pytest.mark.parametrize("path", LISTS)
def test_fields_choose_the_columns(path, asked):
    row = asked(path)["results"][0]
    names = list(row)[:2]
    assert asked(path, fields=",".join(names))["results"][0] == {
        name: row[name] for name in names
    }


UNFIT = [
    ("fields", "id,secret", "field_unknown"),
    ("limit", 1001, "max_value"),
    ("limit", 0, "min_value"),
    ("cursor", "x", "cursor_invalid"),
    ("format", "xml", "invalid_choice"),
]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.usefixtures("world")
def test_what_does_not_fit_is_refused(path, client):
    for name, text, code in UNFIT:
        answer = client.get(f"/api/v1/{path}", {name: text})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert answer.json()["detail"].startswith(name)


@pytest.mark.parametrize("path", INSTANTS)
def test_since_and_until_are_half_open(path, asked):
    every = [row[INSTANTS[path]] for row in asked(path, limit=100)["results"]]
    middle = sorted(set(every))[len(set(every)) // 2]
    after = asked(path, since=middle, limit=100)["results"]
    before = asked(path, until=middle, limit=100)["results"]
    assert [row[INSTANTS[path]] for row in after] == [
        at for at in every if at >= middle
    ]
    assert [row[INSTANTS[path]] for row in before] == [
        at for at in every if at < middle
    ]


@pytest.mark.parametrize("path", INSTANTS)
def test_an_instant_is_read_strictly(path, client, world):
    for text in ("yesterday", "1969-12-31T23:59:59Z", "2200-01-01"):
        answer = client.get(f"/api/v1/{path}", {"since": text})
        assert answer.status_code == 422, text
        assert answer.json()["detail"].startswith("since: ")


@pytest.mark.parametrize("path", ["predictions", "scores", "snapshots"])
@pytest.mark.parametrize("wanted", [["m2"], ["m1", "m3"], ["none"], []])
def test_models_are_chosen_by_their_ids(path, wanted, asked, walked):
    every = asked(path, limit=100)["results"]
    of_them = [row for row in every if row["model_id"] in wanted or not wanted]
    assert walked(path, limit=7, model_id=",".join(wanted)) == of_them


@pytest.mark.parametrize("path", FILES)
def test_a_csv_holds_all_rows_in_the_order_of_the_pages(path, client, asked):
    count, answer, body = statements(client, path, format="csv")
    assert count == STATEMENTS[path] + 1  # its ETag
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="{path}.csv"'
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    page = asked(path, limit=100)["results"]
    name = "cruncher_index" if path == "ledger" else "model_id"
    assert [row[name] for row in rows] == [str(row[name]) for row in page]
    assert list(rows[0]) == list(page[0])


@pytest.mark.parametrize("path", FILES)
def test_a_parquet_file_has_typed_columns(path, client, asked):
    count, answer, body = statements(client, path, format="parquet")
    assert count == STATEMENTS[path] + 1
    assert answer["Content-Type"] == "application/vnd.apache.parquet"
    rows = pq.read_table(io.BytesIO(body)).to_pylist()
    page = asked(path, limit=100)["results"]
    assert len(rows) == len(page)
    name = INSTANTS[path]
    assert [r[name] for r in rows] == [datetime.fromisoformat(r[name]) for r in page]


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize(
    ("accept", "given"),
    [("text/csv", "text/csv; charset=utf-8"), ("*/*", "application/json")],
)
def test_the_accept_header_chooses_where_format_does_not(
    path, accept, given, client, world
):
    answer = client.get(f"/api/v1/{path}", headers={"Accept": accept})
    assert answer["Content-Type"] == given
    chosen = client.get(f"/api/v1/{path}?format=json", headers={"Accept": accept})
    assert chosen["Content-Type"] == "application/json"


def test_a_refusal_is_json_whatever_was_asked_for(client, world):
    answer = client.get("/api/v1/predictions?outcome=x", headers={"Accept": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_choice")
    paged = client.get("/api/v1/predictions?format=csv&limit=2")
    assert (paged.status_code, paged.json()["code"]) == (422, "not_paged")


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_unchanged_file_costs_a_304(path, form, client, world):
    url = f"/api/v1/{path}?format={form}"
    first = client.get(url)
    again = client.get(url, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(
        f"{url}&fields={INSTANTS[path]}", headers={"If-None-Match": first["ETag"]}
    )
    assert other.status_code == 200


def test_a_new_prediction_changes_the_etag_of_the_file(client, world):
    url = "/api/v1/predictions?format=csv"
    before = client.get(url)["ETag"]
    Prediction.objects.filter(pk=Prediction.objects.last().pk).delete()
    assert client.get(url)["ETag"] != before


@pytest.mark.parametrize("path", LISTS)
def test_an_unchanged_page_costs_a_304(path, client, world):
    first = client.get(f"/api/v1/{path}")
    assert first["Cache-Control"] == "no-cache, public"
    again = client.get(f"/api/v1/{path}", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304


def test_what_a_key_reads_is_private(client, world):
    _, token = create_key(name="bot", scopes=["read"])
    answer = client.get("/api/v1/models", headers={"X-API-Key": token})
    assert answer["Cache-Control"] == "no-cache, private"
    assert {"Authorization", "X-API-Key", "Cookie", "Accept"} <= set(
        answer["Vary"].split(", ")
    )


@pytest.mark.parametrize("path", LISTS)
def test_without_a_competition_there_is_an_empty_page(path, client, db):
    answer = client.get(f"/api/v1/{path}")
    assert answer.json() == {"results": [], "next": None}


@pytest.mark.parametrize("path", FILES)
def test_without_a_competition_there_is_an_empty_file(path, client, db):
    body = client.get(f"/api/v1/{path}?format=csv").getvalue().decode()
    assert body.count("\r\n") == 1
    table = client.get(f"/api/v1/{path}?format=parquet").getvalue()
    assert pq.read_table(io.BytesIO(table)).num_rows == 0


@pytest.mark.parametrize("path", [each for each in LISTS if each not in OF_SITE])
def test_a_key_of_another_competition_does_not_reach(path, client, world):
    other = factories.competition("other-cup")
    _, token = create_key(name="bot", scopes=["read"], competition=other)
    headers = {"X-API-Key": token}
    assert client.get(f"/api/v1/{path}", headers=headers).json()["results"] == []
    slug = world.competition.slug
    answer = client.get(f"/api/v1/{path}?competition={slug}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "key_out_of_reach")


def test_texts_of_a_csv_are_no_formulas(client, world):
    Prediction.objects.update(reason="=1+1")
    body = client.get("/api/v1/predictions?format=csv&fields=reason").getvalue()
    assert body.splitlines()[1] == b"'=1+1"


@settings(max_examples=25)
@given(limit=st.integers(1, 7), adds=st.lists(st.integers(-3, 3), max_size=6))
def test_a_walk_sees_each_row_once_while_others_come(limit, adds, walked, asked, world):
    """Rows that come meanwhile are seen once or not at all; nothing is seen twice."""
    there = {row["id"] for row in asked("rounds", limit=100)["results"]}
    waiting = iter(adds)

    def add():
        step = next(waiting, None)
        if step is None:
            return
        newest = world.competition.rounds.order_by("-pk").first()
        slot_at = newest.slot_at + timedelta(hours=step, microseconds=newest.pk)
        newest.pk, newest.slot_at = None, slot_at
        newest.save(force_insert=True)

    seen = [row["id"] for row in walked("rounds", between=add, limit=limit)]
    assert len(seen) == len(set(seen))
    assert there <= set(seen)
