import os
import signal
import subprocess

import pytest

from competitions.local_models.users import BLOCK_SIZE, FIRST_UID, Users
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives users")


@pytest.fixture
def users(tmp_path):
    """Claim users for an orchestrator whose record has the given name."""
    made = []

    def claim(name):
        made.append(Users(tmp_path / name))
        return made[-1]

    yield claim
    for each in made:
        each.close()


@pytest.fixture
def running():
    """Start a process of a user; it ends with the test at the latest."""
    children = []

    def start(uid):
        child = subprocess.Popen(["sleep", "600"], user=uid)
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()


def block_of(claimed):
    return (claimed.take(()) - FIRST_UID) // BLOCK_SIZE


def test_a_process_that_is_not_ours_keeps_its_block_and_lives(users, running):
    first = users("a")
    number = block_of(first)
    other = running(FIRST_UID + number * BLOCK_SIZE + 7)
    first.close()

    assert block_of(users("b")) != number

    assert other.poll() is None


def test_what_an_earlier_orchestrator_of_ours_left_is_ended(users, running):
    first = users("a")
    number = block_of(first)
    left = running(FIRST_UID + number * BLOCK_SIZE + 7)
    first.close()

    def has_it_again():
        claimed = users("a")
        if block_of(claimed) != number:  # another's looked at the block just then
            claimed.close()
            return False
        return True

    wait_for(has_it_again)
    assert left.wait(60) == -signal.SIGKILL


def test_a_record_that_cannot_be_read_is_none(users, tmp_path):
    (tmp_path / "a").write_text("{")
    assert block_of(users("a")) >= 0
