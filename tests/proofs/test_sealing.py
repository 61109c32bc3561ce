"""The log has no gap, no fork and no unsigned entry, whoever is killed or restored."""

import threading
from datetime import timedelta

import pytest
from django.db import connections, transaction

from core.tlog.log_checkpoint import open_log_checkpoint
from core.tlog.merkle import leaf_hash, root_of
from proofs import kept_head, log_keys, sealing, standing
from proofs.errors import LogForkError, LogKeyError
from proofs.models import LogCheckpoint, LogLeaf, LogTile
from tests.conftest import NOW
from tests.kills import dies, steps_of
from tests.proofs.conftest import ORIGIN
from tests.waiting import is_waited_for, wait_for


def sealed():
    """The names of the sealed leaves in order; the key's is `key`."""
    return [
        "key" if leaf.kind == "key" else leaf.key for leaf in LogLeaf.objects.sealed()
    ]


def check_log(key):
    """Each head leads from its leaves, is signed, and the indices have no gap."""
    leaves = list(LogLeaf.objects.sealed())
    assert [leaf.index for leaf in leaves] == list(range(len(leaves)))
    hashes = [leaf_hash(bytes(leaf.entry)) for leaf in leaves]
    heads = list(LogCheckpoint.objects.order_by("size"))
    for row in heads:
        head, _ = open_log_checkpoint(row.note, origin=ORIGIN, keys=[key])
        assert (head.size, head.root) == (row.size, bytes(row.root))
        assert head.root == root_of(hashes[: head.size])
    assert (heads[-1].size if heads else 0) == len(leaves)
    assert [row.signed_at for row in heads] == sorted(row.signed_at for row in heads)
    return heads


@pytest.mark.django_db
def test_what_was_appended_is_numbered_in_order_and_signed_at_once(log_key, append):
    append("a", "b")
    assert sealing.seal() == 3
    append("c")
    assert sealing.seal() == 1
    assert sealing.seal() == 0
    assert sealed() == ["key", "a", "b", "c"]
    assert [head.size for head in check_log(log_key)] == [3, 4]
    assert kept_head.read().head.size == 4


@pytest.mark.django_db
def test_statements_do_not_depend_on_the_number_of_leaves(
    log_key, append, django_assert_num_queries
):
    append("a")
    sealing.seal()
    append(*(f"b{i}" for i in range(600)))
    with django_assert_num_queries(12):  # three of them are savepoints and the lock
        sealing.seal()
    with django_assert_num_queries(1):
        sealing.seal()
    check_log(log_key)
    assert LogTile.objects.filter(level=1, index=0).get().hashes is not None


@pytest.mark.django_db
def test_a_long_log_is_sealed_in_steps(log_key, append, monkeypatch):
    monkeypatch.setattr(sealing, "MOST_AT_ONCE", 4)
    append(*"abcdefghi")
    assert [sealing.seal() for _ in range(4)] == [5, 4, 1, 0]
    assert sealed() == ["key", *"abcdefghi"]
    check_log(log_key)


@pytest.mark.django_db
def test_without_a_key_leaves_wait_and_the_site_says_so(keyless, append, at):
    append("a")
    with pytest.raises(LogKeyError, match="log_key create"):
        sealing.seal()
    assert sealed() == []
    (trouble,) = standing.log_troubles()
    assert (trouble.code, trouble.since) == ("log_key", LogLeaf.objects.get().at)
    log_keys.write_lines([log_keys.new_key(ORIGIN)])
    assert sealing.seal() == 2
    assert standing.log_troubles() == []


@pytest.mark.django_db
def test_another_key_than_the_logs_signs_nothing(log_key, append):
    append("a")
    sealing.seal()
    log_keys.write_lines([log_keys.new_key(ORIGIN)])
    append("b")
    with pytest.raises(LogKeyError, match="has another"):
        sealing.seal()
    assert sealed() == ["key", "a"]


def forget(size):
    """Bring the database back to an older backup, with a head of that size."""
    LogLeaf.objects.filter(index__gte=size).delete()
    LogCheckpoint.objects.filter(size__gt=size).delete()
    LogTile.objects.all().delete()
    hashes = [leaf_hash(bytes(leaf.entry)) for leaf in LogLeaf.objects.sealed()]
    LogTile(level=0, index=0, hashes=b"".join(hashes)).save()


@pytest.mark.django_db
@pytest.mark.parametrize("again", [[], ["b"], ["other"], ["b", "c", "d"]])
def test_a_restored_database_signs_no_second_history(log_key, append, again):
    append("a")
    sealing.seal()
    append("b", "c")
    sealing.seal()
    forget(2)
    append("z", *again)
    with pytest.raises(LogForkError, match="older backup"):
        sealing.seal()
    assert sealed() == ["key", "a"]
    assert standing.log_troubles()[0].code == "log_fork"


@pytest.mark.django_db
def test_an_emptied_database_signs_no_second_history(log_key, append):
    append("a")
    sealing.seal()
    for model in (LogLeaf, LogTile, LogCheckpoint):
        model.objects.all().delete()
    append("b")
    with pytest.raises(LogForkError):
        sealing.seal()


@pytest.mark.django_db
def test_a_database_that_was_changed_by_hand_signs_nothing_more(log_key, append):
    append("a")
    sealing.seal()
    LogTile.objects.update(hashes=b"x" * 64)
    append("b")
    with pytest.raises(LogForkError, match="by hand"):
        sealing.seal()


@pytest.mark.django_db
def test_a_site_whose_folder_was_lost_or_is_behind_goes_on(log_key, append):
    append("a")
    sealing.seal()
    behind = kept_head.read()
    append("b")
    sealing.seal()
    kept_head.write(behind)
    append("c")
    assert sealing.seal() == 1
    kept_head.head_file().unlink()
    append("d")
    assert sealing.seal() == 1
    check_log(log_key)


def begin_anew():
    for model in (LogLeaf, LogTile, LogCheckpoint):
        model.objects.all().delete()
    kept_head.head_file().unlink(missing_ok=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_new", [True, False])
def test_who_is_killed_anywhere_is_finished_without_gap_or_fork(
    log_key, append, is_new
):
    if not is_new:
        append("a")
        sealing.seal()
    append("b")
    steps = steps_of(sealing.seal, least=8)
    for step in steps:
        if is_new:
            begin_anew()
        before = sealed() or ["key"]
        append(f"b{step}", f"c{step}")
        assert dies(step, sealing.seal)
        append(f"d{step}")
        while sealing.seal():
            pass
        expected = [*before, f"b{step}", f"c{step}", f"d{step}"]
        assert sealed() == expected, f"killed before statement {step}"
        check_log(log_key)


@pytest.mark.django_db(transaction=True)
def test_a_head_that_was_signed_but_not_committed_is_the_one_that_stands(
    log_key, append
):
    append("a")
    sealing.seal()
    append("b")
    (*_, commit) = steps_of(sealing.seal, least=8)
    append("c")
    assert dies(commit, sealing.seal)
    signed = kept_head.read()
    assert signed.head.size == 4
    append("d")
    assert standing.log_troubles() == []
    assert sealing.seal() == 1
    assert LogCheckpoint.objects.first().note == signed.note
    assert sealing.seal() == 1
    check_log(log_key)


def test_a_clock_behind_the_last_head_dates_no_head_before_it(db, log_key, append, at):
    append("a")
    with at(NOW + timedelta(hours=1)):
        sealing.seal()
    append("b")
    with at(NOW):
        assert sealing.seal() == 1
    assert [head.signed_at for head in LogCheckpoint.objects.all()] == [
        NOW + timedelta(hours=1)
    ] * 2
    check_log(log_key)


@pytest.mark.django_db(transaction=True)
def test_two_who_seal_at_once_take_turns(log_key, append):
    append("a")
    sealed_by_other = []
    with transaction.atomic():
        assert sealing.seal() == 2

        def other():
            append("b")
            sealed_by_other.append(sealing.seal())
            connections.close_all()

        thread = threading.Thread(target=other)
        thread.start()
        wait_for(lambda: is_waited_for() or not thread.is_alive())
    thread.join(60)
    assert sealed_by_other == [1]
    assert sealed() == ["key", "a", "b"]
    check_log(log_key)
