"""Takes more memory than it may: a part in each of twelve children, so that no limit of
one process is met. Answers at once; its children hold on."""

import os
import time

from tracker import TrackerBase

CHILDREN, PART = 12, 56 * 2**20


class Eater(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        for _ in range(CHILDREN):
            if os.fork() == 0:
                held = bytearray(PART)
                held[::4096] = b"x" * (PART // 4096)
                time.sleep(600)
                os._exit(len(held) % 2)
        return {"value": 1.0}
