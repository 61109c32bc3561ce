"""Fills the disk: many files, a large one, and folders in each other without end.
Answers with what it could write."""

import os

from tracker import TrackerBase

FILES, LEVELS, PART = 6_000, 1_500, 2**20


def until_refused(work, most):
    for number in range(most):
        try:
            work(number)
        except OSError:
            return number
    return most


class Hoarder(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        with open("/tmp/large", "wb", buffering=0) as large:
            megabytes = until_refused(lambda _: large.write(bytes(PART)), 100)
        here = os.open("/tmp", os.O_RDONLY)
        levels = 0
        try:
            for levels in range(LEVELS):
                os.mkdir("d", dir_fd=here)
                inner = os.open("d", os.O_RDONLY, dir_fd=here)
                os.close(here)
                here = inner
        except OSError:
            pass
        files = until_refused(lambda n: open(f"/tmp/{n}", "x").close(), FILES)
        return {"value": 0.0, "megabytes": megabytes, "levels": levels, "files": files}
