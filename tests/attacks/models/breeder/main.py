"""Starts as many processes as it can; answers with their number."""

import os
import time

from tracker import TrackerBase

ENOUGH = 200


class Breeder(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        born = 0
        while born < ENOUGH:
            try:
                if os.fork() == 0:
                    time.sleep(600)
                    os._exit(0)
            except OSError:
                break
            born += 1
        return {"value": float(born)}
