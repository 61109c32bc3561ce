from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError

from competitions.models import Competition
from core import audit
from core.permissions import REALM
from emissions.frac64 import split
from emissions.models import Checkpoint
from tests import factories

pytestmark = pytest.mark.django_db
JSON = "application/json"


@pytest.fixture
def world(db, frozen_clock):
    return factories.running_competition(at=frozen_clock, models=6, hours=1)


@pytest.fixture
def operator(client):
    user = User.objects.create_user("olga", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="settle_checkpoint"))
    client.force_login(user)
    return user


def url(checkpoint, part: str) -> str:
    return f"/reports/checkpoints/{checkpoint}/{part}"


def test_checkpoints_newest_first_with_the_protocols_keys(client, world):
    rows = client.get("/reports/checkpoints").json()
    assert [row["id"] for row in rows] == [str(c) for c in world.checkpoints]
    assert rows[0]["period_start"] == "2026-02-16T12:00:00Z"
    assert rows[0]["entries"] == world.checkpoints[0].entries
    assert set(rows[0]) == {
        "id",
        "period_start",
        "period_end",
        "status",
        "entries",
        "meta",
        "created_at",
        "tx_hash",
        "submitted_at",
    }
    paid = client.get("/reports/checkpoints?status=PAID").json()
    assert [row["id"] for row in paid] == [str(world.checkpoints[1])]
    assert client.get("/reports/checkpoints?status=LOST").status_code == 422


def test_literal_routes_are_not_taken_for_ids(client, world):
    newest = str(world.checkpoints[0])
    assert client.get("/reports/checkpoints/latest").json()["id"] == newest
    prizes = client.get("/reports/checkpoints/latest/prizes?total_prize=1000").json()
    assert set(prizes) == {
        "checkpoint_id",
        "status",
        "period_start",
        "period_end",
        "total_prize",
        "prizes",
    }
    assert prizes["checkpoint_id"] == newest
    assert sum(prize["prize"] for prize in prizes["prizes"]) == 1000


def test_a_crunchers_share_stands_at_their_best_model(client, world):
    rows = client.get("/reports/checkpoints/rewards?limit=1").json()
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    # Six models of five crunchers: alice owns the first and the fourth.
    assert rows[0]["reward_pct"] == 56.25  # 35 and 10 of 80
    assert rows[3]["reward_pct"] is None
    assert sum(row["reward_pct"] or 0 for row in rows) == pytest.approx(100, abs=1e-3)
    assert rows[0] | {"reward_pct": None} == {
        "checkpoint_id": str(world.checkpoints[0]),
        "period_start": "2026-02-16T12:00:00Z",
        "period_end": "2026-02-23T12:00:00Z",
        "model_id": "m1",
        "model_name": "Meridian",
        "rank": 1,
        "reward_pct": None,
        "prediction_count": 600,
        "value": 0.6,
    }
    only = client.get("/reports/checkpoints/rewards?model_id=m2").json()
    assert {row["model_id"] for row in only} == {"m2"}


def test_payload_and_emission_are_what_was_closed(client, world):
    checkpoint = world.checkpoints[0]
    payload = client.get(url(checkpoint, "payload")).json()
    assert payload == {
        "checkpoint_id": str(checkpoint),
        "period_start": "2026-02-16T12:00:00Z",
        "period_end": "2026-02-23T12:00:00Z",
        "entries": checkpoint.entries,
    }
    emission = client.get(url(checkpoint, "emission")).json()
    assert emission == checkpoint.entries[0]
    latest = client.get("/reports/emissions/latest").json()
    assert latest == {
        "checkpoint_id": str(checkpoint),
        "status": "PENDING",
        "period_start": "2026-02-16T12:00:00Z",
        "period_end": "2026-02-23T12:00:00Z",
        "emission": emission,
    }


def test_the_cli_format_sums_to_a_hundred(client, world):
    told = client.get(url(world.checkpoints[0], "emission/cli-format")).json()
    assert list(told) == ["crunch", "crunchEmission", "computeProvider", "dataProvider"]
    assert told["crunch"] == "CRUNCHxMINT"
    assert list(told["crunchEmission"]) == [f"m{i}" for i in range(1, 7)]
    assert sum(told["crunchEmission"].values()) == pytest.approx(100, abs=1e-9)
    assert told["computeProvider"] == {"COMPUTExWALLET": 100.0}
    assert told["dataProvider"] == {}


def test_prizes_name_period_and_model(client, world):
    checkpoint = world.checkpoints[0]
    first = client.get(url(checkpoint, "prizes?total_prize=1000000")).json()[0]
    assert first["prizeId"] == f"{checkpoint}-m1"
    assert first["timestamp"] == int(datetime(2026, 2, 23, 12, tzinfo=UTC).timestamp())
    assert first["model"] == "m1"


@pytest.mark.parametrize(
    "part", ["payload", "emission", "emission/cli-format", "prizes"]
)
def test_unknown_checkpoints_are_404(client, world, part):
    response = client.get(url("CKP_999999", part))
    assert response.status_code == 404
    assert response.json() == {
        "detail": "Checkpoint CKP_999999 not found",
        "code": "checkpoint_not_found",
    }


def test_a_checkpoint_without_emission_is_404(client, world):
    Checkpoint.objects.update(entries=[])
    response = client.get(url(world.checkpoints[0], "emission"))
    assert (response.status_code, response.json()["code"]) == (
        404,
        "emission_not_found",
    )


def test_no_checkpoints(client, db):
    factories.competition()
    response = client.get("/reports/checkpoints/latest")
    assert response.status_code == 404
    assert response.json()["detail"] == "No checkpoints found"


WRITES = [
    ("post", "confirm", {"tx_hash": "0x1"}),
    ("post", "transaction", {"tx_hash": "0x2", "reason": "a typing mistake"}),
    ("patch", "status", {"status": "PAID"}),
]


def written(client, checkpoint, write):
    method, part, body = write
    return getattr(client, method)(url(checkpoint, part), body, content_type=JSON)


def logged_in(client, *permissions: str, **fields) -> User:
    user = User.objects.create_user("pat", **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return user


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write[1])
def test_a_payout_is_written_with_the_permission_for_it_alone(client, world, write):
    checkpoint = world.checkpoints[0]
    unknown = written(client, checkpoint, write)
    assert (unknown.status_code, unknown.json()["code"]) == (401, "not_authenticated")
    assert unknown["WWW-Authenticate"] == REALM
    for permissions, fields in (
        ([], {}),
        ([], {"is_staff": True}),
        (["view_checkpoint"], {"is_staff": True}),
        (["settle_checkpoint"], {"is_staff": False}),
    ):
        user = logged_in(client, *permissions, **fields)
        refused = written(client, checkpoint, write)
        assert refused.status_code == 403, (permissions, fields)
        assert refused.json()["code"] == "permission_denied"
        user.delete()
    assert Checkpoint.objects.get(pk=checkpoint.pk).status == "PENDING"
    assert not LogEntry.objects.exists()


def test_a_wrong_transaction_is_corrected_with_a_reason_and_a_trail(
    client, world, operator
):
    checkpoint = world.checkpoints[0]
    written(client, checkpoint, WRITES[0])
    for reason in ({}, {"reason": ""}, {"reason": "x" * 301}):
        asked = ("post", "transaction", {"tx_hash": "0x2", **reason})
        assert written(client, checkpoint, asked).status_code == 422
    corrected = written(client, checkpoint, WRITES[1])
    assert corrected.status_code == 200
    assert corrected.json()["tx_hash"] == "0x2"
    assert corrected.json()["status"] == "SUBMITTED"
    again = written(client, checkpoint, WRITES[1])
    assert (again.status_code, again.json()) == (
        409,
        {
            "detail": f"{checkpoint} has the transaction 0x2.",
            "code": "transition_illegal",
        },
    )
    entry = LogEntry.objects.first()
    assert entry.user == operator
    assert entry.change_message == (
        "Transaction corrected, 0x1 to 0x2. Reason: a typing mistake"
    )
    assert LogEntry.objects.count() == 2


def test_nothing_is_corrected_before_it_was_submitted(client, world, operator):
    refused = written(client, world.checkpoints[0], WRITES[1])
    assert (refused.status_code, refused.json()["code"]) == (409, "transition_illegal")
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("bad", ["0x1\n", "0x1 2", "\u202e1", "0x\0", "x" * 129])
def test_a_hash_is_printable_ascii(client, world, operator, bad):
    asked = ("post", "confirm", {"tx_hash": bad + "end"})
    assert written(client, world.checkpoints[0], asked).status_code == 422


@pytest.mark.parametrize("bad", ["CKP_", "x", "CKP_1.5", "-1", "1" * 30, "CKP_\u0661"])
def test_a_malformed_id_is_told_in_json(client, world, operator, bad):
    for part in ("payload", "emission", "emission/cli-format", "prizes"):
        response = client.get(url(bad, part))
        assert response.status_code == 404
        assert response.json() == {
            "detail": f"Checkpoint {bad} not found",
            "code": "checkpoint_not_found",
        }
    for write in WRITES:
        assert written(client, bad, write).json()["code"] == "checkpoint_not_found"


def test_confirm_stores_the_transaction_once(client, world, operator, frozen_clock):
    checkpoint = world.checkpoints[0]
    response = client.post(
        url(checkpoint, "confirm"), {"tx_hash": "0xabc"}, content_type=JSON
    )
    assert response.status_code == 200
    assert response.json()["status"] == "SUBMITTED"
    assert response.json()["tx_hash"] == "0xabc"
    assert response.json()["submitted_at"] == "2026-03-02T12:00:00Z"
    again = client.post(
        url(checkpoint, "confirm"), {"tx_hash": "0xdef"}, content_type=JSON
    )
    assert again.status_code == 409
    assert again.json() == {
        "detail": f"{checkpoint} was SUBMITTED; only a PENDING one is confirmed.",
        "code": "transition_illegal",
    }
    assert Checkpoint.objects.get(pk=checkpoint.pk).tx_hash == "0xabc"
    assert [e.change_message for e in LogEntry.objects.all()] == [
        "PENDING to SUBMITTED with transaction 0xabc."
    ]


@pytest.mark.parametrize("body", [{}, {"tx_hash": ""}, {"tx_hash": "x" * 129}, []])
def test_confirm_needs_a_hash(client, world, operator, body):
    response = client.post(
        url(world.checkpoints[0], "confirm"), body, content_type=JSON
    )
    assert response.status_code == 422
    assert Checkpoint.objects.get(pk=world.checkpoints[0].pk).status == "PENDING"


def test_states_go_one_step_at_a_time(client, world, operator):
    checkpoint = world.checkpoints[0]

    def move(to: str) -> int:
        return client.patch(
            url(checkpoint, "status"), {"status": to}, content_type=JSON
        ).status_code

    assert [move(to) for to in ("PAID", "CLAIMABLE", "SUBMITTED", "PENDING")] == [
        409
    ] * 4
    client.post(url(checkpoint, "confirm"), {"tx_hash": "0x1"}, content_type=JSON)
    assert [move(to) for to in ("SUBMITTED", "PAID", "PENDING")] == [409] * 3
    assert [move(to) for to in ("CLAIMABLE", "PAID")] == [200, 200]
    assert [move(to) for to in ("PAID", "CLAIMABLE")] == [409] * 2


def test_an_unknown_status_is_told_the_known_ones(client, world, operator):
    response = client.patch(
        url(world.checkpoints[0], "status"), {"status": "LOST"}, content_type=JSON
    )
    assert response.status_code == 422
    assert "LOST" in response.json()["detail"]
    for status in Checkpoint.Status.values:
        assert status in response.json()["detail"]


def test_unknown_checkpoints_are_not_written(client, world, operator):
    for method, part, body in (
        (client.post, "confirm", {"tx_hash": "0x1"}),
        (client.patch, "status", {"status": "PAID"}),
    ):
        response = method(url("CKP_999999", part), body, content_type=JSON)
        assert response.status_code == 404


@pytest.mark.parametrize("stranger", [1, 4000])
def test_every_format_adds_up_though_somebody_without_a_place_was_paid(
    client, world, stranger
):
    """As in a checkpoint of before such builders were refused; a model is called 1."""
    checkpoint = world.checkpoints[0]
    checkpoint.meta["ranking"] = [
        {**checkpoint.meta["ranking"][0], "model_id": "1", "cruncher_index": 0}
    ]
    checkpoint.entries[0]["cruncher_rewards"] = [
        {"cruncher_index": 0, "reward_pct": 100_000_001},
        {"cruncher_index": stranger, "reward_pct": 899_999_999},
    ]
    checkpoint.save()
    told = client.get(url(checkpoint, "emission/cli-format")).json()
    assert sum(told["crunchEmission"].values()) == pytest.approx(100, abs=1e-9)
    assert len(told["crunchEmission"]) == 2
    prizes = client.get(url(checkpoint, "prizes?total_prize=1000")).json()
    assert [prize["prize"] for prize in prizes] == [100, 900]
    rows = client.get("/reports/checkpoints/rewards?limit=1").json()
    assert [row["reward_pct"] for row in rows] == [10.0, 90.0]
    assert [row["rank"] for row in rows] == [1, None]


def test_rewards_in_percent_add_up_to_a_hundred(client, world):
    checkpoint = world.checkpoints[0]
    places = [
        {**checkpoint.meta["ranking"][0], "model_id": f"m{i}", "cruncher_index": i}
        for i in range(7)
    ]
    checkpoint.meta["ranking"] = places
    checkpoint.entries[0]["cruncher_rewards"] = [
        {"cruncher_index": i, "reward_pct": share}
        for i, share in enumerate(split([1] * 7))
    ]
    checkpoint.save()
    rows = client.get("/reports/checkpoints/rewards?limit=1").json()
    assert sum(round(row["reward_pct"] * 10_000) for row in rows) == 1_000_000


BEFORE = {"confirm": "PENDING", "transaction": "SUBMITTED", "status": "CLAIMABLE"}


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write[1])
def test_a_step_without_its_trail_is_none(client, world, operator, monkeypatch, write):
    checkpoint = world.checkpoints[0]
    before = {"status": BEFORE[write[1]], "tx_hash": "0xabc"}
    Checkpoint.objects.filter(pk=checkpoint.pk).update(**before)

    def full(*_, **__):
        raise DatabaseError("disk full")

    monkeypatch.setattr(audit, "note", full)
    client.raise_request_exception = False
    assert written(client, checkpoint, write).status_code == 500
    assert Checkpoint.objects.filter(pk=checkpoint.pk).values(*before).get() == before


def test_a_checkpoint_of_a_draft_is_there_for_who_may_see_drafts(client, world):
    Competition.objects.update(status=Competition.Status.DRAFT)
    parts = ("payload", "emission", "emission/cli-format", "prizes")
    addresses = [url(world.checkpoints[0], part) for part in parts]
    assert [client.get(each).status_code for each in addresses] == [404] * 4
    logged_in(client, "view_competition", is_staff=True)
    assert [client.get(each).status_code for each in addresses] == [200] * 4
