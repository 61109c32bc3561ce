"""Operators read the log in the admin; what would open answers is not there."""

import pytest
from django.contrib.auth.models import User

from core.tlog.note import COSIGNATURE, Signer, parse_note
from core.tlog.witnessing import cosigned
from proofs import sealing, witnesses
from proofs.models import LogCheckpoint, LogLeaf


@pytest.fixture
def boss(client, db):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def test_entries_and_heads_are_listed_and_opened(
    boss, log_key, append, django_assert_max_num_queries
):
    append("7")
    LogLeaf.objects.filter(key="7").update(seed=b"\xabSEED" * 6, inner=b"\xcd" * 32)
    sealing.seal()
    by = Signer("w.example", b"\1" * 32, COSIGNATURE)
    witnesses.register(vkey=str(by.key), owner="ada")
    head = LogCheckpoint.objects.get()
    witnesses.accept(cosigned(parse_note(head.note), by, signed_at_s=1_772_452_800))
    with django_assert_max_num_queries(12):
        page = boss.get("/admin/proofs/logleaf/?q=7").content.decode()
    assert "round 7" in page
    leaf = LogLeaf.objects.get(key="7")
    page = boss.get(f"/admin/proofs/logleaf/{leaf.pk}/change/").content.decode()
    assert "&quot;name&quot;:&quot;7&quot;" in page
    assert "SEED" not in page
    assert "seed" not in page
    for address in ("", f"{head.pk}/change/"):
        page = boss.get(f"/admin/proofs/logcheckpoint/{address}").content.decode()
        assert "ada" in page


def test_nothing_of_the_log_is_changed_or_deleted_by_hand(boss, log_key, append):
    append("7")
    leaf = LogLeaf.objects.get(key="7")
    for act in ("delete/", "change/"):
        assert (
            boss.post(f"/admin/proofs/logleaf/{leaf.pk}/{act}", {}).status_code == 403
        )
    assert boss.get("/admin/proofs/logleaf/add/").status_code == 403
