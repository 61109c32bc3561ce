"""Texts of failures are told to their owner and to operators; others get the code."""

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.test import Client

from competitions.gateway.types import ModelAnswer
from competitions.models import Cruncher, Prediction, Round
from competitions.roster import record_errors
from crunchsite.keys.issuing import create_key
from proofs import sealing
from scoring.replaying import replay
from tests.competitions.conftest import competition as competition  # noqa: PLC0414  a fixture
from tests.competitions.conftest import tape as tape  # noqa: PLC0414  a fixture
from tests.competitions.rounds.conftest import ask
from tests.competitions.rounds.conftest import round_ as round_  # noqa: PLC0414  a fixture
from tests.proofs.conftest import keyless as keyless  # noqa: PLC0414  a fixture
from tests.proofs.conftest import log_key as log_key  # noqa: PLC0414  a fixture

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.usefixtures("tape"),
]
# In each text of a failure, and in the answer that was refused.
HUSH = "hush-my-alpha"
CODES = {"raises": "EXCEPTION", "odd": "INVALID", "gone": "SETUP_FAILED"}
LATER = "2026-03-03T00:00:00Z"
READERS = ["stranger", "other cruncher", "owner", "operator"]
TOLD = {"stranger": False, "other cruncher": False, "owner": True, "operator": True}
GETS = sorted(
    path
    for path, acts in json.loads(
        Path("docs/integrator/openapi.json").read_text(encoding="utf-8")
    )["paths"].items()
    if "get" in acts
)
PAGES = [
    *("/", "/models/{model_id}", "/diversity", "/rules", "/payouts", "/verify"),
    *("/witnesses", "/leaderboard.csv", "/models/{model_id}/scores.csv"),
]


@pytest.fixture
def failed(db, log_key, round_):
    """A round that is over and in the log, whose three models of one owner failed."""
    said = {
        "raises": ModelAnswer(
            "raises", "FAILED", reason=f"predict: {HUSH} (main.py:5)", code="EXCEPTION"
        ),
        "odd": {"value": HUSH},
        "gone": ModelAnswer("gone", "ABSENT", reason=HUSH, code="SETUP_FAILED"),
        "well": 0.5,
    }
    ask(round_, said)
    owner = Cruncher.objects.get(cruncher_id="cruncher-raises")
    mine = owner.competition.models.filter(model_id__in=CODES)
    mine.update(cruncher=owner)
    pks = dict(mine.values_list("model_id", "pk"))
    record_errors(models=pks, errors=dict.fromkeys(pks, f"no weights: {HUSH}"))
    Round.objects.update(status="VOID", reason="void: a test")
    sealing.seal()
    return owner


@pytest.fixture
def reader(failed):
    """`reader("owner")` is a client with that reader's key, if it has one."""
    other = Cruncher.objects.get(cruncher_id="cruncher-well")
    reach = {
        "other cruncher": {"cruncher": other, "scopes": ["read", "write:models"]},
        "owner": {"cruncher": failed, "scopes": ["read"]},
        "operator": {"competition": failed.competition, "scopes": ["read"]},
    }

    def of(name):
        if name not in reach:
            return Client(raise_request_exception=False)
        token = create_key(name="bot", **reach[name])[1]
        headers = {"X-API-Key": token}
        return Client(raise_request_exception=False, headers=headers)

    return of


def rows_of(client, **query):
    answer = client.get("/api/v1/predictions", query)
    return {row["model_id"]: row for row in answer.json()["results"]}


@pytest.mark.parametrize("name", READERS)
def test_the_list_of_predictions_tells_each_reader_what_is_theirs(reader, name):
    client = reader(name)
    rows = rows_of(client)
    for model, code in CODES.items():
        alone = client.get(f"/api/v1/predictions/{rows[model]['id']}").json()
        assert alone == rows[model]
        assert rows[model]["code"] == code
        if TOLD[name]:
            assert HUSH in rows[model]["reason"]
        else:
            assert (rows[model]["reason"], rows[model]["output"]) == (code, {})
    assert (HUSH in json.dumps(rows["odd"]["output"])) is TOLD[name]
    assert (rows["well"]["code"], rows["well"]["output"]) == ("", {"value": 0.5})


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_predictions_tells_no_more_than_the_list(reader, name):
    client = reader(name)
    csv = b"".join(client.get("/api/v1/predictions?format=csv").streaming_content)
    assert (HUSH.encode() in csv) is TOLD[name]
    parts = client.get("/api/v1/predictions?format=parquet").streaming_content
    table = pq.read_table(io.BytesIO(b"".join(parts)))
    told = json.dumps(table.select(["reason", "output"]).to_pylist())
    assert (HUSH in told) is TOLD[name]


def test_a_file_that_a_stranger_has_is_not_current_for_the_owner(reader):
    address = "/api/v1/predictions?format=csv"
    etags = {name: reader(name).get(address)["ETag"] for name in READERS}
    assert etags["stranger"] not in (etags["owner"], etags["operator"])
    again = reader("owner").get(address, headers={"If-None-Match": etags["stranger"]})
    assert again.status_code == 200
    b"".join(again.streaming_content)


@pytest.mark.parametrize("name", READERS)
def test_the_report_of_predictions_says_why_as_far_as_the_reader_may_know(reader, name):
    rows = reader(name).get("/reports/predictions", {"end": LATER}).json()
    why = {row["model_id"]: row["score_failed_reason"] for row in rows}
    for model, code in CODES.items():
        assert HUSH in why[model] if TOLD[name] else why[model] == code


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("model", CODES)
def test_the_page_of_a_model_shows_its_texts_to_who_may_read_them(reader, name, model):
    page = reader(name).get(f"/models/{model}").content.decode()
    assert "Last error" in page
    assert (HUSH in page) is TOLD[name]
    assert TOLD[name] or f"<small>{CODES[model]}</small>" in page


@pytest.mark.parametrize("name", READERS)
def test_a_receipt_proves_the_code_and_has_no_text(reader, name):
    client = reader(name)
    for model, row in rows_of(client).items():
        receipt = client.get(f"/reports/receipts/{row['id']}").json()
        assert receipt["problem"] == ""
        said = json.loads(receipt["opened"]["answer"])
        assert said["reason"] == CODES.get(model, "")
        assert HUSH not in json.dumps(receipt)


@pytest.mark.parametrize("name", READERS[:2])
def test_no_address_tells_a_stranger_the_texts(reader, failed, name):
    client = reader(name)
    slug = failed.competition.slug
    asked = 0
    for prediction in Prediction.objects.filter(model__cruncher=failed):
        places = {
            "id": prediction.pk,
            "prediction_id": prediction.pk,
            "model_id": prediction.model.model_id,
            "slug": slug,
            "path": "tile/entries/000.p/3",
            "cruncher_index": failed.cruncher_index,
        }
        for path in (*GETS, *PAGES):
            try:
                address = path.format(**places)
            except KeyError:
                continue  # of jobs, feeds and releases, which are nobody's
            day = prediction.round.slot_at.date()
            query = {"competition": slug, "day": day, "end": LATER}
            answer = client.get(address, query)
            streamed = getattr(answer, "streaming_content", None)
            body = b"".join(streamed) if streamed else answer.content
            assert HUSH.encode() not in body, address
            asked += answer.status_code == 200
    assert asked > 100


def test_a_failure_from_before_there_were_codes_is_told_no_better(reader):
    Prediction.objects.update(code="")
    for name in READERS:
        row = rows_of(reader(name))["raises"]
        assert (HUSH in row["reason"], row["code"]) == (TOLD[name], "")
    assert rows_of(reader("stranger"))["odd"]["output"] == {}


def test_what_the_log_committed_to_is_what_the_rows_say(failed):
    (log,) = [part for part in replay(Round.objects.get()).parts if part.name == "log"]
    assert log.is_same
