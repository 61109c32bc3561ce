"""Checkpoints over /api/v1/: made, confirmed, corrected, moved on, each step once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections

from competitions.contract import CrunchConfig
from competitions.slots import wire
from emissions.models import Checkpoint
from emissions.strategies import tiers
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
WHY = {"reason": "the day is over"}


class Killed(BaseException):
    """What ends a process in the middle."""


@pytest.fixture
def finance(program):
    return program("write:payouts")


@pytest.fixture
def pending(world):
    checkpoint = world.checkpoints[-1]
    Checkpoint.objects.filter(pk=checkpoint.pk).update(
        status="PENDING", tx_hash=None, submitted_at=None
    )
    return checkpoint


def test_what_is_over_is_made_once(finance, world, at, frozen_clock):
    Checkpoint.objects.all().delete()
    world.competition.emission_interval_s = 3600
    world.competition.save()
    address = "competitions/btc-demo/make-checkpoints"
    answer = finance.post(address, WHY)
    assert answer.status_code == 201, answer.json()
    made = answer.json()["checkpoints"]
    assert [each["id"] for each in made] == [
        str(each) for each in Checkpoint.objects.order_by("period_end")
    ]
    assert {each["status"] for each in made} == {"PENDING"}
    again = finance.post(address, WHY)
    assert (again.status_code, again.json()["code"]) == (409, "checkpoint_not_due")
    entries = LogEntry.objects.filter(change_message="Made. Reason: the day is over")
    assert entries.count() == len(made)


def test_what_was_made_before_a_refusal_is_told_and_has_its_trail(
    finance, world, monkeypatch
):
    Checkpoint.objects.all().delete()
    world.competition.emission_interval_s = 3600
    world.competition.save()
    calls = []

    def once(ranked_entries, crunch_pubkey, **providers):
        calls.append(1)
        if len(calls) > 1:
            raise ValueError("there is a second one")
        return tiers(ranked_entries, crunch_pubkey)

    wiring = wire(CrunchConfig(build_emission=once), {})
    monkeypatch.setattr("emissions.checkpoints.wiring_of", lambda _: wiring)
    address = "competitions/btc-demo/make-checkpoints"
    answer = finance.post(address, WHY)
    [made] = Checkpoint.objects.all()
    assert answer.status_code == 201
    assert [each["id"] for each in answer.json()["checkpoints"]] == [str(made)]
    again = finance.post(address, WHY)
    assert (again.status_code, again.json()["code"]) == (503, "callable_failed")
    said = LogEntry.objects.filter(change_message="Made. Reason: the day is over")
    assert [entry.object_repr for entry in said] == [str(made)]


def test_none_is_made_without_its_trail(finance, world, monkeypatch):
    Checkpoint.objects.all().delete()
    world.competition.emission_interval_s = 3600
    world.competition.save()

    def die(*args, **what):
        raise Killed

    monkeypatch.setattr("core.audit.note", die)
    with pytest.raises(Killed):
        finance.post("competitions/btc-demo/make-checkpoints", WHY)
    assert not Checkpoint.objects.exists()


def test_what_pays_nothing_says_so(finance, world):
    world.competition.emission_interval_s = 0
    world.competition.save()
    answer = finance.post("competitions/btc-demo/make-checkpoints", WHY)
    assert (answer.status_code, answer.json()["code"]) == (409, "checkpoint_not_due")
    assert "emission_interval_s is 0" in answer.json()["detail"]


def test_a_checkpoint_goes_its_way(finance, pending):
    address = f"checkpoints/{pending}"
    assert finance.post(f"{address}/confirm", {"tx_hash": "abc"}).json()["status"] == (
        "SUBMITTED"
    )
    right = {"tx_hash": "abd", "reason": "a letter was wrong"}
    told = finance.post(f"{address}/correct-transaction", right).json()
    assert (told["tx_hash"], told["status"]) == ("abd", "SUBMITTED")
    for status in ("CLAIMABLE", "PAID"):
        told = finance.post(f"{address}/advance", {"status": status}).json()
        assert told["status"] == status
    said = [entry.change_message for entry in LogEntry.objects.order_by("-pk")[:4]]
    assert said == [
        "CLAIMABLE to PAID.",
        "SUBMITTED to CLAIMABLE.",
        "Transaction corrected, abc to abd. Reason: a letter was wrong",
        "PENDING to SUBMITTED with transaction abc.",
    ]
    again = finance.post(f"{address}/confirm", {"tx_hash": "x"})
    assert (again.status_code, again.json()["code"]) == (409, "transition_illegal")


@pytest.mark.parametrize(
    "tx_hash", ["", " ", None, ["x"], {"a": 1}, "a b", "é", "x" * 129, True]
)
def test_what_is_no_transaction_confirms_nothing(finance, pending, tx_hash):
    answer = finance.post(f"checkpoints/{pending}/confirm", {"tx_hash": tx_hash})
    assert answer.status_code == 422, answer.json()
    assert Checkpoint.objects.get(pk=pending.pk).status == "PENDING"


@pytest.mark.parametrize("name", ["CKP_0", "0", "-1", "x", "CKP_", "9" * 30, "٣"])
def test_an_unknown_one_is_404(finance, pending, name):
    answer = finance.post(f"checkpoints/{name}/confirm", {"tx_hash": "abc"})
    assert (answer.status_code, answer.json()["code"]) == (404, "checkpoint_not_found")


def test_the_key_of_another_competition_confirms_nothing(program, pending):
    other = factories.competition("other-cup")
    bound = program("write:payouts", competition=other)
    answer = bound.post(f"checkpoints/{pending}/confirm", {"tx_hash": "abc"})
    assert (answer.status_code, answer.json()["code"]) == (403, "key_out_of_reach")


@pytest.mark.django_db(transaction=True, databases=["default", "tape"])
def test_of_two_confirms_at_once_one_counts(finance, pending):
    def confirm(tx_hash):
        try:
            return finance.post(f"checkpoints/{pending}/confirm", {"tx_hash": tx_hash})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = dict(zip("abcd", pool.map(confirm, "abcd"), strict=True))
    (won,) = [name for name, each in answers.items() if each.status_code == 200]
    assert Checkpoint.objects.get(pk=pending.pk).tx_hash == won
    lost = [each for name, each in answers.items() if name != won]
    assert {(each.status_code, each.json()["code"]) for each in lost} == {
        (409, "transition_illegal")
    }
    confirmed = LogEntry.objects.filter(change_message__startswith="PENDING to SUB")
    assert confirmed.count() == 1
