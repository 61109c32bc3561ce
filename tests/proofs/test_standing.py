"""What waits too long for its signature is a trouble, with since when."""

from datetime import timedelta

import pytest

from proofs import kept_head, sealing
from proofs.standing import PATIENCE, log_troubles
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


def test_what_waits_too_long_is_a_trouble(log_key, append, at):
    with at(NOW):
        append("a")
        assert log_troubles() == []
    with at(NOW + PATIENCE + timedelta(seconds=1)):
        (trouble,) = log_troubles()
        assert (trouble.code, trouble.since) == ("log_waits", NOW)
        assert trouble.what.startswith("1 entry of the log waits")
        sealing.seal()
        assert log_troubles() == []


def test_a_file_that_is_no_head_is_a_trouble(log_key, append):
    append("a")
    sealing.seal()
    kept_head.head_file().write_text("{}")
    assert log_troubles() == []
    append("b")
    (trouble,) = log_troubles()
    assert trouble.code == "log_fork"
    assert "holds no signed head" in trouble.what
