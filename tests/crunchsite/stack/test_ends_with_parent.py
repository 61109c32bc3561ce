"""A tied program is the program itself, and ends with the process that started it."""

import os
import signal
import subprocess
import sys

from crunchsite.stack.ends_with_parent import tied

# Starts a tied program, waits until it runs, and is killed.
DIES = """
import os, signal, subprocess, sys
from crunchsite.stack.ends_with_parent import tied

told = int(sys.argv[1])
runs = f"import os, signal; os.write({told}, b'runs'); signal.pause()"
command = tied([sys.executable, "-c", runs], stop_signal=signal.SIGTERM)
subprocess.Popen(command, pass_fds=[told])
signal.pause()
"""


def run(command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_ends_when_its_starter_is_killed():
    heard, told = os.pipe()
    starter = subprocess.Popen([sys.executable, "-c", DIES, str(told)], pass_fds=[told])
    os.close(told)
    with os.fdopen(heard, "rb") as pipe:
        assert pipe.read(4) == b"runs"
        starter.kill()
        starter.wait()
        assert pipe.read() == b""  # once nobody holds the other end


def test_it_is_the_program_itself():
    said = "import os, sys; print(os.getppid()); sys.exit(7)"
    command = tied([sys.executable, "-c", said], stop_signal=signal.SIGTERM)
    done = run(command)
    assert (done.stdout, done.returncode) == (f"{os.getpid()}\n", 7)


def test_a_program_that_cannot_be_run_is_named(tmp_path):
    done = run(tied([f"{tmp_path}/none"], stop_signal=signal.SIGTERM))
    why = f"{tmp_path}/none cannot be run: No such file or directory\n"
    assert (done.stderr, done.returncode) == (why, 1)


def test_one_whose_starter_is_gone_does_not_run():
    command = tied([sys.executable, "-c", "print('runs')"], stop_signal=signal.SIGTERM)
    command[command.index(str(os.getpid()))] = "1"
    done = run(command)
    assert (done.stdout, done.returncode) == ("", 1)
