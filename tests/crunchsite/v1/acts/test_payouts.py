"""Disputes, their answers and moved shares over /api/v1/."""

from datetime import timedelta

import pytest

from crunchsite.keys.issuing import create_key
from emissions.models import Checkpoint, Dispute, PayoutEntry
from tests import factories
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
WHY = {"reason": "m2 answered too"}


@pytest.fixture
def finance(program):
    return program("write:payouts")


@pytest.fixture
def pending(world):
    checkpoint = world.checkpoints[0]
    Checkpoint.objects.filter(pk=checkpoint.pk).update(
        challenge_ends_at=NOW + timedelta(hours=1)
    )
    return checkpoint


def test_a_dispute_is_opened_read_answered_and_its_share_moved(
    program, finance, pending, client
):
    operator = program("write:operate")
    opened = operator.post(f"checkpoints/{pending}/dispute", WHY)
    assert opened.status_code == 201, opened.json()
    number = opened.json()["id"]
    [listed] = client.get("/api/v1/disputes?state=OPEN").json()["results"]
    assert listed == opened.json()
    refused = finance.post(f"checkpoints/{pending}/confirm", {"tx_hash": "abc"})
    assert refused.json()["code"] == "transition_illegal"
    answer = {"is_upheld": True, "answer": "it did"}
    answered = finance.post(f"disputes/{number}/answer", answer)
    assert (answered.status_code, answered.json()["state"]) == (200, "UPHELD")
    again = finance.post(f"disputes/{number}/answer", answer)
    assert (again.status_code, again.json()["code"]) == (409, "dispute_refused")
    PayoutEntry.objects.create(
        checkpoint=pending, cruncher_index=0, kind="DUE", amount=10, created_at=NOW
    )
    move = {"from_index": 0, "to_index": 1, "amount": 4, "reason": "dispute 1"}
    moved = finance.post(f"checkpoints/{pending}/adjust", move)
    assert moved.status_code == 201, moved.json()
    assert [line["amount"] for line in moved.json()["lines"]] == [-4, 4]
    beyond = finance.post(f"checkpoints/{pending}/adjust", {**move, "amount": 7})
    assert (beyond.status_code, beyond.json()["code"]) == (409, "adjustment_refused")
    lines = client.get("/api/v1/ledger?entry_kind=ADJUSTMENT").json()["results"]
    assert sorted(line["amount"] for line in lines) == [-4, 4]
    of_one = client.get("/api/v1/ledger?cruncher_index=1").json()["results"]
    assert [line["amount"] for line in of_one] == [4]


def test_an_act_with_an_idempotency_key_is_done_once(finance, pending):
    PayoutEntry.objects.create(
        checkpoint=pending, cruncher_index=0, kind="DUE", amount=10, created_at=NOW
    )
    move = {"from_index": 0, "to_index": 1, "amount": 4, "reason": "dispute 1"}
    address = f"checkpoints/{pending}/adjust"
    answers = [finance.post(address, move, once="k-1").json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert PayoutEntry.objects.filter(kind="ADJUSTMENT").count() == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("checkpoints/{}/dispute", {"reason": ""}),
        ("checkpoints/{}/dispute", {"reason": "x" * 1001}),
        ("checkpoints/{}/dispute", {"reason": ["m2"]}),
        ("checkpoints/{}/adjust", {"from_index": 0, "to_index": 1, "amount": 0}),
        ("checkpoints/{}/adjust", {"from_index": -1, "to_index": 1, "amount": 1}),
        ("checkpoints/{}/adjust", {"from_index": 0, "to_index": 2**31, "amount": 1}),
        ("checkpoints/{}/adjust", {"from_index": 0, "to_index": 1, "amount": 1.5}),
        ("checkpoints/{}/adjust", {"from_index": 0, "to_index": 1, "amount": 10**18}),
    ],
)
def test_a_body_that_does_not_fit_is_refused(program, finance, pending, path, body):
    by = program("admin")
    answer = by.post(path.format(pending), {"reason": "r", **body})
    assert answer.status_code == 422, answer.json()
    assert not Dispute.objects.exists()
    assert not PayoutEntry.objects.filter(kind="ADJUSTMENT").exists()


def disputed_with(client, checkpoint, cruncher, scopes):
    _, token = create_key(name="ada", scopes=scopes, cruncher=cruncher)
    return client.post(
        f"/api/v1/checkpoints/{checkpoint}/dispute",
        WHY,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def test_a_participant_disputes_what_their_competition_pays(client, world, pending):
    own = world.models[0].cruncher
    assert disputed_with(client, pending, own, ["write:models"]).status_code == 201
    reader = disputed_with(client, pending, own, ["read"])
    assert (reader.status_code, reader.json()["code"]) == (403, "scope_insufficient")
    other = factories.running_competition(
        at=NOW, models=1, hours=1, slug="other-cup"
    ).models[0]
    stranger = disputed_with(client, pending, other.cruncher, ["write:models"])
    assert stranger.status_code == 403
    assert stranger.json()["code"] == "key_out_of_reach"
    assert Dispute.objects.count() == 1


def test_the_open_period_is_previewed(client, world):
    world.competition.emission_interval_s = 3600 * 24
    world.competition.save()
    told = client.get("/api/v1/checkpoints/preview").json()["preview"]
    assert told["strategy"] == "tiers"
    shares = [line["reward_frac64"] for line in told["ranking"]]
    assert sum(shares) == 1_000_000_000
    world.competition.emission_interval_s = 0
    world.competition.save()
    assert client.get("/api/v1/checkpoints/preview").json() == {"preview": None}
