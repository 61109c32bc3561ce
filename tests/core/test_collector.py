"""What is loaded is never looked through for garbage; all else is, again."""

import gc

import pytest

from core.collector import loading


@pytest.fixture(autouse=True)
def _as_before():
    """The next test's garbage is garbage."""
    yield
    gc.unfreeze()


def test_what_is_loaded_is_frozen_and_the_collector_runs_again():
    frozen = gc.get_freeze_count()
    with loading():
        assert not gc.isenabled()
        loaded = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + len(loaded)


def test_the_collector_runs_again_after_a_failed_load():
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()
