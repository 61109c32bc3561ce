"""Two operators confirm one checkpoint at once, each with a hash of their own."""

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction

from emissions import transitions
from emissions.models import Checkpoint
from emissions.transitions import TransitionError
from proofs.models import LogLeaf
from tests import factories
from tests.conftest import NOW
from tests.waiting import is_waited_for, wait_for


@pytest.mark.django_db(databases=["default", "tape"], transaction=True)
def test_one_of_two_operators_is_refused_and_leaves_no_trace(frozen_clock):
    checkpoint = factories.running_competition(at=NOW, models=2, hours=1).checkpoints[0]
    ada, fay = (User.objects.create_user(name) for name in ("ada", "fay"))
    refused = []

    def other():
        try:
            transitions.confirm(checkpoint_id=checkpoint.pk, tx_hash="0xf", user=fay)
        except TransitionError as error:
            refused.append(str(error))
        finally:
            connections.close_all()

    thread = threading.Thread(target=other)
    with transaction.atomic():
        transitions.confirm(checkpoint_id=checkpoint.pk, tx_hash="0xa", user=ada)
        thread.start()
        wait_for(lambda: is_waited_for() or not thread.is_alive())
    thread.join(60)
    assert refused == [f"{checkpoint} was SUBMITTED; only a PENDING one is confirmed."]
    assert Checkpoint.objects.get(pk=checkpoint.pk).tx_hash == "0xa"
    assert LogLeaf.objects.filter(kind="settlement").count() == 1
