"""The log is sealed by the second, and before a truth can be known."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from proofs import cadence, sealing
from proofs.models import LogLeaf
from tests.conftest import NOW


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("seconds", "is_sealed"), [(4, True), (5, False)])
def test_a_fact_whose_truth_is_near_is_sealed_with_its_commit(
    log_key, append, frozen_clock, seconds, is_sealed
):
    with transaction.atomic():
        append("a")
        cadence.seal_before(NOW + timedelta(seconds=seconds))
        assert not LogLeaf.objects.sealed().exists()
    assert LogLeaf.objects.sealed().exists() == is_sealed


@pytest.mark.django_db
def test_a_refusal_is_logged_once_until_it_ends(keyless, append, caplog):
    append("a")
    assert [cadence.seal_all() for _ in range(3)] == [0, 0, 0]
    refusals = [r for r in caplog.records if "log.unsigned" in r.getMessage()]
    assert len(refusals) == 1


@pytest.mark.django_db(transaction=True)
def test_what_fails_after_the_commit_is_left_to_the_cadence(
    log_key, append, monkeypatch
):
    def broken():
        raise DatabaseError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(sealing, "seal", broken)
        with transaction.atomic():
            append("a")
            cadence.seal_before(NOW)
    assert cadence.seal_all() == 2
