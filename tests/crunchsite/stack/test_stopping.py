"""Signals are delivered to this process; its own handlers are put back afterwards."""

import os
import signal

import pytest

from crunchsite.stack.stopping import REQUESTS, StopRequests, say


@pytest.fixture
def stop_requests():
    taken = (*REQUESTS, signal.SIGTSTP)
    before = {number: signal.getsignal(number) for number in taken}
    requests = StopRequests()
    requests.listen()
    yield requests
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", REQUESTS)
def test_any_of_the_signals_is_a_request_to_stop(stop_requests, number):
    assert not stop_requests.is_stopping
    os.kill(os.getpid(), number)
    assert stop_requests.is_stopping


def test_the_first_interrupts_the_start_and_no_other_interrupts_anything(
    stop_requests, capfd
):
    with pytest.raises(KeyboardInterrupt), stop_requests.interrupting():
        os.kill(os.getpid(), signal.SIGINT)
    with stop_requests.interrupting():
        os.kill(os.getpid(), signal.SIGINT)
        assert not stop_requests.is_forced()
        os.kill(os.getpid(), signal.SIGINT)
    assert stop_requests.is_forced()
    os.kill(os.getpid(), signal.SIGINT)
    assert capfd.readouterr().out.splitlines() == [
        "Stopping already; a third time ends everything at once.",
        "Ending everything at once ...",
    ]


def test_nohup_holds(stop_requests):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop_requests.listen()
    os.kill(os.getpid(), signal.SIGHUP)
    assert not stop_requests.is_stopping


def test_nobody_has_to_listen():
    saved, full = os.dup(1), os.open("/dev/full", os.O_WRONLY)
    try:
        os.dup2(full, 1)
        say("hello")
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(full)
