"""Which coins enter a pool and which leave it, against the one before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepool import pool_change
from livepool.pool_change import PoolChange

OLD, NEW = ("A", "B", "C", "D", "E"), ("D", "F", "A", "B", "C")
POOL = st.lists(st.sampled_from("ABCDEFG"), min_size=1, unique=True)


def test_what_enters_is_in_the_new_order_and_what_leaves_in_the_old():
    assert pool_change.entered(NEW, OLD) == ("F",)
    assert pool_change.left(NEW, OLD) == ("E",)
    assert pool_change.stability(NEW, OLD) == 0.8
    assert pool_change.churn(NEW, OLD) == pytest.approx(0.2)


def test_without_a_pool_before_nothing_enters_and_the_churn_is_unknown():
    assert pool_change.entered(NEW, None) == pool_change.left(NEW, None) == ()
    assert pool_change.stability(NEW, None) is None
    assert pool_change.churn(NEW, None) is None


def test_after_an_empty_pool_everything_enters():
    change = PoolChange(version="v", symbols=NEW, previous_version="", previous=())
    assert (change.entered, change.left) == (NEW, ())
    assert pool_change.churn(NEW, ()) is None


@given(POOL, POOL)
def test_what_stays_and_what_enters_are_the_pool(new, old):
    entered, left = pool_change.entered(new, old), pool_change.left(new, old)
    assert set(new) == (set(old) - set(left)) | set(entered)
    assert pool_change.stability(new, old) == (len(new) - len(entered)) / len(new)
