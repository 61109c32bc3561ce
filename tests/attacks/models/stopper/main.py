"""Stops instead of ending: it answers nobody, and no time limit inside of it runs on.
The file `whom` says who is stopped: it itself, its group, or those who keep it."""

import contextlib
import os
import signal
from pathlib import Path

from tracker import TrackerBase


def parent_of(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("PPid:")[2].split()[0])


def stop_itself():
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_group():
    if os.fork() == 0:
        while True:
            os.killpg(0, signal.SIGSTOP)
    os.killpg(0, signal.SIGTSTP)


def stop_guardian():
    os.kill(os.getppid(), signal.SIGSTOP)


def stop_keeper():
    os.kill(parent_of(os.getppid()), signal.SIGSTOP)


def stop_all():
    """Stop them again and again, in case somebody continues one."""
    everybody = (parent_of(os.getppid()), os.getppid(), os.getpid())
    if os.fork() == 0:
        with contextlib.suppress(OSError):
            while True:
                for pid in everybody:
                    os.kill(pid, signal.SIGSTOP)
        os._exit(0)


class Stopper(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        named = Path(__file__).with_name("whom")
        whom = named.read_text() if named.exists() else "itself"
        with contextlib.suppress(OSError):  # it may not
            globals()[f"stop_{whom}"]()
        return {"value": 1.0}
