"""Signals are delivered to this process; its own handlers are put back afterwards."""

import os
import signal
import subprocess
import sys

import pytest

from crunchsite.stack.stopping import REQUESTS, StopRequests, say


@pytest.fixture
def stop_requests(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    taken = (*REQUESTS, signal.SIGTSTP, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in taken}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
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
        "Stopping before all was up ...",
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


IN_A_FINALIZER = """
import os, signal, time
from crunchsite.stack.stopping import StopRequests

class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0)  # the handler raises here, where Python drops it

requests = StopRequests()
requests.listen()
try:
    with requests.interrupting():
        Interrupted()
        time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_that_python_drops_is_raised_again_and_said_nowhere():
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FINALIZER],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (
        "Stopping before all was up ...\ninterrupted\n",
        "",
    )
