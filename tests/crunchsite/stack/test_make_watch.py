"""A real `make` runs a program that follows it, and is sent signals alone."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from crunchsite.settings.env import BASE_DIR
from crunchsite.stack.make_watch import MakeWatch

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")

FOLLOWS = """
import signal, sys, time
from crunchsite.stack.make_watch import MakeWatch

def stop(number, frame):
    print("asked to stop", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
watch = MakeWatch()
watch.follow()
print("up", flush=True)
while True:
    time.sleep(0.05)
    watch.follow()
"""


@pytest.fixture
def make(tmp_path):
    """`make` that has started its program, in a group of its own."""
    (tmp_path / "follows.py").write_text(FOLLOWS)
    (tmp_path / "Makefile").write_text(f"up:\n\t@exec {sys.executable} follows.py\n")
    process = subprocess.Popen(
        # A test that was started with SIGINT ignored would hand that on.
        ["env", "--default-signal=INT,HUP", "make", "--no-print-directory", "up"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(BASE_DIR)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGKILL]
)
def test_a_signal_to_make_alone_reaches_its_program(make, number):
    make.send_signal(number)
    # The pipe ends when the program has ended, too.
    assert make.stdout.read() == "asked to stop\n"
    assert make.wait() != 0


def test_who_was_not_started_by_make_follows_nobody(monkeypatch):
    monkeypatch.setattr(os, "getppid", os.getpid)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("was asked to stop"))
    watch = MakeWatch()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    watch.follow()
