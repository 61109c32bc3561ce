"""The log is sealed by the second, and before a truth can be known."""

import errno
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction

from proofs import cadence, kept_head, sealing
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


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_is_a_refusal_and_the_committed_fact_knows_nothing_of_it(
    log_key, append, monkeypatch, caplog
):
    def full(path, _data):
        raise OSError(errno.ENOSPC, "No space left on device", f"{path}.{uuid4()}")

    with monkeypatch.context() as patch:
        patch.setattr(kept_head, "write_file", full)
        with transaction.atomic():
            append("a")
            cadence.seal_before(NOW)
        assert cadence.seal_all() == 0
    (refusal,) = [r.getMessage() for r in caplog.records if "log.uns" in r.getMessage()]
    assert "No space left on device" in refusal
    assert cadence.seal_all() == 2
