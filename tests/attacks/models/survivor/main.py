"""Wants to outlive Stop and the orchestrator: leaves its session, its group and its
parent, forgets the signal at its parent's death, and is deaf to all others."""

import ctypes
import os
import signal
import time

from tracker import TrackerBase

PR_SET_PDEATHSIG = 1


class Survivor(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                time.sleep(600)
            os._exit(0)
        os.wait()
        return {"value": 1.0}
