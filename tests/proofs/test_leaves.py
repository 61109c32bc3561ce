"""A fact has one entry, written with it, or none."""

import pytest
from django.db import IntegrityError, transaction
from django.db.transaction import TransactionManagementError

from core.tlog.errors import LogFormatError
from proofs.leaves import NewLeaf, append_leaves
from proofs.models import LogLeaf

ROUND = LogLeaf.Kind.ROUND


@pytest.mark.django_db
def test_an_entry_is_canonical_and_names_kind_and_version(frozen_clock):
    append_leaves([NewLeaf(ROUND, "7", {"b": 1, "a": "x"}, competition=3)])
    leaf = LogLeaf.objects.get()
    assert leaf.text == '{"a":"x","b":1,"kind":"round","v":1}'
    assert (leaf.index, leaf.competition, leaf.at) == (None, 3, frozen_clock)


@pytest.mark.django_db
def test_many_entries_are_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        append_leaves(NewLeaf(ROUND, str(i), {}) for i in range(1000))


@pytest.mark.django_db
def test_a_fact_has_one_entry():
    append_leaves([NewLeaf(ROUND, "7", {})])
    append_leaves([NewLeaf(LogLeaf.Kind.PERIOD, "7", {})])
    append_leaves([NewLeaf(ROUND, "7", {"other": 1})], may_exist=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        append_leaves([NewLeaf(ROUND, "7", {})])
    assert LogLeaf.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_an_entry_outside_of_a_transaction_is_refused():
    with pytest.raises(TransactionManagementError):
        append_leaves([NewLeaf(ROUND, "7", {})])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "error"), [({"x": 0.5}, LogFormatError), ({"x": 70_000 * "x"}, ValueError)]
)
def test_what_is_no_entry_is_refused(body, error):
    with pytest.raises(error):
        append_leaves([NewLeaf(ROUND, "7", body)])
