"""A call that may never come back is left in time, and not called again meanwhile."""

import threading

import pytest

from core.deadline import Late, StillAtWork, in_time


def test_the_answer_and_what_was_raised_come_back():
    assert in_time(lambda: 7, 60) == 7
    with pytest.raises(ZeroDivisionError):
        in_time(lambda: 1 / 0, 60)


@pytest.mark.parametrize("leave", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_would_end_the_process_is_an_error(leave):
    def call():
        raise leave

    with pytest.raises(RuntimeError, match=f"it left with {leave.__name__}"):
        in_time(call, 60)


def test_a_call_that_is_left_behind_is_not_called_again_until_it_ends():
    awake, calls = threading.Event(), []

    def hang():
        calls.append(threading.current_thread())
        awake.wait(60)

    with pytest.raises(Late, match=r"it took longer than 0.05 s"):
        in_time(hang, 0.05, key="hang")
    for _ in range(3):
        with pytest.raises(StillAtWork, match="an earlier call of it"):
            in_time(hang, 60, key="hang")
    assert len(calls) == 1
    assert in_time(lambda: "others go on", 60, key="other") == "others go on"

    awake.set()
    calls[0].join(60)
    assert in_time(lambda: "again", 60, key="hang") == "again"


def test_the_other_parts_of_a_call_go_on_until_three_hang():
    awake = threading.Event()

    def hang(part):
        with pytest.raises(Late, match=r"it took longer than 0.05 s"):
            in_time(lambda: awake.wait(600), 0.05, key="parts", part=part)
        with pytest.raises(StillAtWork):
            in_time(lambda: "well", 600, key="parts", part=part)

    for part in (1, 2):
        hang(part)
        assert in_time(lambda: "well", 600, key="parts", part="other") == "well"
    hang(3)
    with pytest.raises(StillAtWork):
        in_time(lambda: "well", 600, key="parts", part="other")
    awake.set()
