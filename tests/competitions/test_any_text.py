"""Any text and any JSON from a model gives one row, a short log line and a page."""

import json
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from competitions.gateway.announcements import identity_of, models_of
from competitions.gateway.replies import Reply, ReplyKind, answer_of, decode_replies
from competitions.gateway.types import ModelAnswer
from competitions.models import Cruncher, ParticipantModel, Prediction, Round
from competitions.rounds.perform import perform_round, perform_waiting
from competitions.wiring import reset_cache
from core.texts import readable, storable
from tests.competitions.conftest import AnsweringGateway, identity
from tests.conftest import NOW
from tests.fakes.texts import ANY_TEXT, JSON, nested

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.usefixtures("tape"),
]
EVERY = settings(
    max_examples=25,
)


def a_round(competition):
    newest = Round.objects.order_by("slot_at").first()
    before = newest.slot_at if newest else NOW
    return Round.objects.create(
        competition=competition,
        scheduled_prediction=competition.scheduled_predictions.get(),
        slot_at=before - timedelta(microseconds=1),
        scope_key="default",
        received_at=NOW,
    )


def is_fit(text, limit=2_000):
    return len(text) <= limit and readable(text, limit=limit) == text


def said(text):
    """A model for each way by which its text comes in."""
    return {
        "steady": {"value": 1.0},
        "failed": ModelAnswer("failed", "FAILED", reason=text, raw=text),
        "absent": ModelAnswer("absent", "ABSENT", reason=text),
        "warning": ModelAnswer("warning", "ANSWERED", {"value": 1.0}, warning=text),
        "extra": {"value": 1.0, "x": text},
        "key": {"value": 1.0, f"x{text}": 1},
        "invalid": {"value": f"x{text}"},
        "named": {"value": 1.0},
    }


def named(text):
    return identity(
        "named",
        name=text,
        deployment_id=text,
        cruncher_name=text,
        wallet=text,
        error=text,
    )


@EVERY
@given(text=ANY_TEXT)
@example(text="\r")
@example(text="\x01")
@example(text="a\0b")
@example(text="x" * 100_000)
def test_whatever_a_model_says_costs_that_model_alone(
    competition, client, caplog, text
):
    caplog.clear()
    results = said(text)
    gateway = AnsweringGateway(
        results, identities=[identity(n) for n in results if n != "named"]
    )
    gateway.identities.append(named(text))
    round_ = a_round(competition)

    assert perform_waiting(competition_id=competition.pk, gateway=gateway) == 1

    rows = {
        p.model.model_id: p
        for p in Prediction.objects.filter(round=round_).select_related("model")
    }
    assert rows.keys() == results.keys()
    for name in ("steady", "warning", "named"):
        assert (rows[name].outcome, rows[name].output) == ("ANSWERED", {"value": 1.0})
    for name in ("failed", "invalid"):
        assert rows[name].outcome == "FAILED"
    if text.isascii() and "\0" not in text and len(text) < 2_000:
        assert rows["extra"].output == results["extra"]
    for row in rows.values():
        assert is_fit(row.reason)
        assert is_fit(row.model.last_error)
        assert len(json.dumps(row.output)) < 100_000
        assert storable(json.dumps(row.output, ensure_ascii=False)) == json.dumps(
            row.output, ensure_ascii=False
        )
    model = ParticipantModel.objects.get(model_id="named")
    assert all(is_fit(t, 200) for t in (model.name, model.deployment_id))
    cruncher = Cruncher.objects.get(cruncher_id="cruncher-named")
    assert is_fit(cruncher.name, 200)
    assert is_fit(cruncher.wallet, 120)
    assert max(map(len, caplog.messages)) < 5_000
    for name in ("failed", "extra", "named"):
        page = client.get(f"/models/{name}")
        assert page.status_code == 200
        assert not {"\0", "\x1b", "\ud800"} & set(page.content.decode())
    Prediction.objects.all().delete()
    assert len(client.get("/models/named").content) < 50_000


HUGE = (
    nested(33),
    nested(900, as_dict=True),
    [[]] * 100_000,
    list(range(5_000)),
    {str(i): None for i in range(5_000)},
    {"value": "x" * 10**6},
    {"k" * 10**6: 1},
    "x" * 10**6,
)


@pytest.mark.parametrize("value", HUGE, ids=range(len(HUGE)))
def test_json_that_is_deep_wide_or_huge_is_one_failed_answer(competition, value):
    data = json.dumps(value).encode()
    ask_with(competition, data)
    row = Prediction.objects.get(model__model_id="odd")
    assert row.outcome == "FAILED"
    assert row.reason.startswith("predict: the answer ")
    assert len(json.dumps(row.output)) < 10_000


@EVERY
@given(data=st.binary() | ANY_TEXT.map(lambda t: t.encode(errors="surrogatepass")))
@example(data=json.dumps({"value": 1.0, "x": "\0"}).encode())
@example(data=json.dumps({"value": 1.0, "\ud800": 1}).encode())
@example(data=b'{"value": 1, "value": 1e999}')
@example(data=b'{"value": ' + b"1e308," * 2_000 + b"1}")
@example(data=b'{"value": 1, "x": [' + b"1e308," * 2_000 + b"1]}")
def test_any_bytes_of_an_answer_are_one_row(competition, data):
    ask_with(competition, data)


def ask_with(competition, data):
    """A round in which one model answers with these bytes of JSON."""
    from model_runner_client.grpc.generated.commons_pb2 import Variant

    reply = Reply(
        ReplyKind.ANSWERED, message=Variant(type=6, value=data), method="predict"
    )
    decode_replies([reply], largest_bytes=16 * 2**10)
    answer = answer_of("odd", [reply], first=0.0)
    gateway = AnsweringGateway({"steady": {"value": 1.0}, "odd": answer})
    round_ = a_round(competition)
    assert perform_round(round_=round_, gateway=gateway)
    outcomes = round_.predictions.values_list("model__model_id", "outcome")
    assert dict(outcomes)["steady"] == "ANSWERED"
    assert len(outcomes) == 2


@EVERY
@given(text=ANY_TEXT)
def test_whatever_a_slot_raises_is_one_missed_round(competition, text, monkeypatch):
    def broken(now):
        raise RuntimeError(text)

    monkeypatch.setattr("tests.competitions.own_callables.raising_input", broken)
    reset_cache()  # or the first example's is called for all of them
    competition.slots = {
        "RAW_INPUT_PROVIDER": "tests.competitions.own_callables:raising_input"
    }
    competition.save(update_fields=["slots"])
    round_ = a_round(competition)
    gateway = AnsweringGateway({"a": 1.0})
    assert perform_waiting(competition_id=competition.pk, gateway=gateway) == 0
    round_.refresh_from_db()
    assert round_.status == "MISSED"
    assert is_fit(round_.reason)


@given(values=st.lists(JSON, min_size=6, max_size=6))
def test_whatever_an_orchestrator_announces_fits_a_row(values):
    name, cruncher, wallet, deployment, address, key = values
    infos = {
        "model_name": name,
        "cruncher_id": cruncher,
        "cruncher_name": name,
        "cruncher_wallet_pubkey": wallet,
    }
    said = {
        "model_id": key,
        "deployment_id": deployment,
        "infos": infos,
        "state": "RUNNING",
        "ip": address,
        "port": name,
    }
    found = models_of([said, {**said, "model_id": "odd"}, said, name])
    assert "odd" in [model["model_id"] for model in found]
    for model in found:
        known = identity_of(model, error="")
        for text, limit in (
            *((known.model_id, 120), (known.cruncher_id, 120), (known.wallet, 120)),
            *((known.name, 200), (known.deployment_id, 200), (model["ip"], 255)),
            *((known.cruncher_name, 200), (str(model["port"]), 255)),
        ):
            assert is_fit(text, limit)
