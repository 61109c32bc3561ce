"""The ledger: what is due, paid and moved always adds up to the checkpoints."""

import json
from types import SimpleNamespace

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import iso_z
from core.tlog.exact import exact_digest
from emissions import transitions
from emissions.checkpoint_leaves import ledger_rows
from emissions.checkpoints import close_due
from emissions.frac64 import WHOLE
from emissions.ledger import AdjustmentError, Balance, adjust, balances
from emissions.models import Checkpoint, IdleStretch, PayoutEntry
from proofs.models import LogLeaf
from tests.conftest import NOW
from tests.emissions.conftest import DAY, HOUR, MIDNIGHT, snap
from tests.scoring.factories import make_models

NOBODY = SimpleNamespace(pk=None)
SHARES = {100: 500_000_000, 101: 250_000_000, 102: 250_000_000}


@pytest.fixture
def user(db):
    return User.objects.create_user("fay")


@pytest.fixture
def checkpoint(competition):
    for model, value in zip(make_models(competition, *"abc"), (3, 2, 1), strict=True):
        snap(model, MIDNIGHT - HOUR, float(value))
    [made] = close_due(now=NOW)
    return made


def of(checkpoint):
    return balances(checkpoint.ledger.all())


def settle(checkpoint, user=NOBODY):
    step = {"checkpoint_id": checkpoint.pk, "user": user}
    transitions.confirm(**step, tx_hash="0x1")
    transitions.advance(**step, to="CLAIMABLE")
    transitions.advance(**step, to="PAID")


def moved(checkpoint, given, taken, amount, user=NOBODY):
    return adjust(
        checkpoint_id=checkpoint.pk,
        from_index=given,
        to_index=taken,
        amount=amount,
        reason="a wrong truth",
        user=user,
    )


def test_a_new_checkpoint_makes_its_shares_due(checkpoint):
    assert of(checkpoint) == {index: Balance(due=due) for index, due in SHARES.items()}
    assert sum(balance.remaining for balance in of(checkpoint).values()) == WHOLE


def test_a_paid_checkpoint_leaves_nothing(checkpoint, user):
    settle(checkpoint, user)
    assert of(checkpoint) == {
        index: Balance(due=due, paid=due) for index, due in SHARES.items()
    }
    paid = checkpoint.ledger.filter(kind="PAID")
    assert {line.author for line in paid} == {user}
    with pytest.raises(transitions.TransitionError):
        transitions.advance(checkpoint_id=checkpoint.pk, to="PAID", user=user)
    assert paid.count() == 3


def test_what_is_moved_is_paid_to_who_has_it_then(checkpoint, user):
    moved(checkpoint, 101, 102, 250_000_000, user)
    settle(checkpoint)
    assert of(checkpoint)[101] == Balance(due=250_000_000, adjusted=-250_000_000)
    assert of(checkpoint)[102].paid == 500_000_000
    [entry] = LogEntry.objects.filter(user=user)
    assert entry.change_message == (
        "250000000 moved from 101 to 102. Reason: a wrong truth"
    )


def test_what_is_moved_after_the_payment_remains(checkpoint):
    settle(checkpoint)
    moved(checkpoint, 100, 102, 5)
    assert of(checkpoint)[100].remaining == -5
    assert of(checkpoint)[102].remaining == 5


@pytest.mark.parametrize(
    ("given", "taken", "amount", "told"),
    [
        (100, 100, 1, "gives nothing to themselves"),
        (100, 999, 1, "has no cruncher 999"),
        (101, 100, 250_000_001, "has 250000000 of CKP_"),
        (999, 100, 1, "has 0 of CKP_"),
    ],
)
def test_what_cannot_be_moved_is_refused(checkpoint, given, taken, amount, told):
    with pytest.raises(AdjustmentError, match=told):
        moved(checkpoint, given, taken, amount)
    assert checkpoint.ledger.count() == 3


CHANGES = {
    "update": lambda lines: lines.update(amount=1),
    "delete": lambda lines: lines.delete(),
    "delete without its signals": lambda lines: lines._raw_delete("default"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_line_is_ever_changed(checkpoint, change):
    lines = PayoutEntry.objects.filter(checkpoint=checkpoint)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        CHANGES[change](lines)
    assert of(checkpoint)[100].due == SHARES[100]


MOVES = st.tuples(
    st.sampled_from([*SHARES, 7]), st.sampled_from([*SHARES, 7]), st.integers(1, WHOLE)
)


@settings(max_examples=25)
@given(steps=st.lists(st.one_of(MOVES, st.just("pay")), max_size=8))
def test_due_and_moved_less_paid_is_what_remains_whatever_happens(checkpoint, steps):
    point = transaction.savepoint()
    try:
        for step in steps:
            if step == "pay" and Checkpoint.objects.get().status == "PENDING":
                settle(checkpoint)
                assert all(b.remaining == 0 for b in of(checkpoint).values())
            elif step != "pay":
                try:
                    moved(checkpoint, *step)
                except AdjustmentError:
                    continue
        found = of(checkpoint)
        assert {i: b.due for i, b in found.items()} == SHARES
        assert sum(b.adjusted for b in found.values()) == 0
        assert all(b.entitled >= 0 for b in found.values())
        is_paid = Checkpoint.objects.get().status == "PAID"
        assert sum(b.paid for b in found.values()) == (WHOLE if is_paid else 0)
        assert sum(b.remaining for b in found.values()) == (0 if is_paid else WHOLE)
    finally:
        transaction.savepoint_rollback(point)


def test_time_without_a_checkpoint_is_kept_with_the_reason(competition, at):
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT - HOUR, 1.0)
    snap(model, MIDNIGHT + 5 * DAY, 1.0)
    with at(NOW + 10 * DAY):
        close_due(now=NOW + 10 * DAY)
    [stretch] = IdleStretch.objects.all()
    assert (stretch.start_at, stretch.end_at) == (MIDNIGHT, MIDNIGHT + 5 * DAY)
    assert stretch.reason.startswith("No round was scored or due")


def test_each_step_of_a_settlement_has_an_entry_in_the_log(checkpoint):
    settle(checkpoint)
    transitions.correct_transaction(
        checkpoint_id=checkpoint.pk, tx_hash="0x2", reason="a slip", user=NOBODY
    )
    leaves = LogLeaf.objects.filter(kind="settlement").order_by("pk")
    told = [json.loads(leaf.text) for leaf in leaves]
    assert [(each["status"], each["tx_hash"]) for each in told] == [
        ("SUBMITTED", "0x1"), ("CLAIMABLE", "0x1"), ("PAID", "0x1"), ("PAID", "0x2")
    ]  # fmt: skip
    assert {each["checkpoint"] for each in told} == {str(checkpoint)}
    with pytest.raises(transitions.TransitionError):
        transitions.advance(checkpoint_id=checkpoint.pk, to="PAID", user=NOBODY)
    assert leaves.count() == 4  # a step that is refused has none


def test_the_log_has_the_lines_of_the_ledger_with_reasons_and_instants(checkpoint):
    def last(kind):
        leaf = LogLeaf.objects.filter(kind=kind).order_by("pk").last()
        return json.loads(leaf.text)

    def digest():
        return exact_digest(ledger_rows(checkpoint.ledger.in_order()))

    made = last("checkpoint")
    assert made["ledger"] == digest()
    assert made["created_at"] == iso_z(checkpoint.created_at)
    moved(checkpoint, 100, 101, 5)
    after = last("settlement")
    assert (after["status"], after["submitted_at"]) == ("PENDING", None)
    assert after["ledger"] == digest() != made["ledger"]
    settle(checkpoint)
    paid = last("settlement")
    assert paid["ledger"] == digest() != after["ledger"]
    checkpoint.refresh_from_db()
    assert paid["submitted_at"] == iso_z(checkpoint.submitted_at)
