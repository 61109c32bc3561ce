"""A challenge window: objections, answers, and steps that wait for them."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User

from emissions import transitions
from emissions.checkpoints import close_due
from emissions.disputes import DisputeError, answer_dispute, open_dispute
from emissions.ledger import adjust
from emissions.models import Checkpoint
from emissions.transitions import TransitionError
from tests.conftest import NOW
from tests.emissions.conftest import HOUR, MIDNIGHT, rewire, snap
from tests.scoring.factories import make_models

__all__ = ["rewire"]
WINDOW = timedelta(hours=6)


@pytest.fixture
def ada(db):
    return User.objects.create_user("ada")


@pytest.fixture
def fay(db):
    return User.objects.create_user("fay")


@pytest.fixture
def checkpoint(competition, rewire):
    rewire(emission={"challenge_s": WINDOW.total_seconds(), "needs_two": True})
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT - HOUR, 1.0)
    [made] = close_due(now=NOW)
    return made


def confirm(checkpoint, user):
    return transitions.confirm(checkpoint_id=checkpoint.pk, tx_hash="0x1", user=user)


def disputed(checkpoint, user, reason="m2 answered too"):
    return open_dispute(checkpoint_id=checkpoint.pk, reason=reason, user=user)


def answered(dispute, user, *, is_upheld=False):
    return answer_dispute(
        dispute_id=dispute.pk, is_upheld=is_upheld, answer="it did not", user=user
    )


def test_a_checkpoint_is_confirmed_after_its_window(checkpoint, fay, at):
    assert checkpoint.challenge_ends_at == NOW + WINDOW
    with pytest.raises(TransitionError, match="can be disputed until 2026-03-02 18:00"):
        confirm(checkpoint, fay)
    with at(NOW + WINDOW):
        assert confirm(checkpoint, fay).status == "SUBMITTED"


def test_a_dispute_is_answered_before_it_is_confirmed(checkpoint, ada, fay, at):
    dispute = disputed(checkpoint, ada)
    assert dispute.state == "OPEN"
    with at(NOW + WINDOW):
        with pytest.raises(TransitionError, match="has a dispute without an answer"):
            confirm(checkpoint, fay)
        dispute = answered(dispute, fay)
        assert (dispute.state, dispute.answer) == ("REJECTED", "it did not")
        assert dispute.answered_at == NOW + WINDOW
        assert confirm(checkpoint, fay).status == "SUBMITTED"
    told = LogEntry.objects.order_by("pk").values_list("user", "change_message")
    assert list(told) == [
        (ada.pk, "Disputed. Reason: m2 answered too"),
        (fay.pk, f"Dispute {dispute.pk} REJECTED. Answer: it did not"),
    ]


def test_a_dispute_is_answered_once_and_by_somebody_else(checkpoint, ada, fay):
    dispute = disputed(checkpoint, ada)
    with pytest.raises(DisputeError, match="is your own"):
        answered(dispute, ada)
    assert answered(dispute, fay, is_upheld=True).state == "UPHELD"
    with pytest.raises(DisputeError, match="was UPHELD; it is answered once"):
        answered(dispute, fay)


def test_nobody_disputes_twice_without_an_answer(checkpoint, ada, fay):
    first = disputed(checkpoint, ada)
    with pytest.raises(DisputeError, match="is not answered yet"):
        disputed(checkpoint, ada)
    disputed(checkpoint, fay)
    answered(first, fay)
    disputed(checkpoint, ada, "and yet")
    assert checkpoint.disputes.count() == 3


def test_it_is_too_late_once_the_window_has_ended(checkpoint, ada, at):
    with at(NOW + WINDOW), pytest.raises(DisputeError, match="it could be disputed"):
        disputed(checkpoint, ada)
    Checkpoint.objects.update(challenge_ends_at=None)
    with pytest.raises(DisputeError, match="has no challenge window"):
        disputed(checkpoint, ada)


def test_nobody_takes_two_steps_in_a_row_where_two_are_needed(checkpoint, ada, fay, at):
    step = {"checkpoint_id": checkpoint.pk}
    with at(NOW + WINDOW):
        confirm(checkpoint, ada)
        with pytest.raises(TransitionError, match="needs two people"):
            transitions.advance(**step, to="CLAIMABLE", user=ada)
        with pytest.raises(TransitionError, match="needs two people"):
            transitions.correct_transaction(
                **step, tx_hash="0x2", reason="typo", user=ada
            )
        transitions.advance(**step, to="CLAIMABLE", user=fay)
        with pytest.raises(TransitionError, match="needs two people"):
            transitions.advance(**step, to="PAID", user=fay)
        assert transitions.advance(**step, to="PAID", user=ada).status == "PAID"


def test_nobody_moves_a_share_and_pays_it_where_two_are_needed(
    checkpoint, competition, ada, fay, at
):
    make_models(competition, "b")
    given, taken = competition.crunchers.values_list("cruncher_index", flat=True)
    step = {"checkpoint_id": checkpoint.pk}
    with at(NOW + WINDOW):
        confirm(checkpoint, ada)
        transitions.advance(**step, to="CLAIMABLE", user=fay)
        for amount in (1, 2):  # as many as there are to move
            adjust(
                **step,
                from_index=given,
                to_index=taken,
                amount=amount,
                reason="a wrong truth",
                user=ada,
            )
        with pytest.raises(TransitionError, match="needs two people"):
            transitions.advance(**step, to="PAID", user=ada)
        assert transitions.advance(**step, to="PAID", user=fay).status == "PAID"
