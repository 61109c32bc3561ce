"""Seeded random: luck, but the same luck for the same data.

Two runs on the same market give the same answers, which makes it a good model to test
a competition with: whatever ranks below it is worse than a coin.
"""

import random

from tracker import BASIS_POINTS, TrackerBase

SEED = 7
SPREAD = 0.0005  # about the size of a one-minute return


class SeededRandom(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)
        if len(closes) < 3:
            return {"value": 0.0}
        newest = self.newest(subject)["candles_1m"][-1]["ts"]
        dice = random.Random(f"{SEED}/{subject}/{newest}/{resolve_horizon_seconds}")
        return {"value": dice.gauss(0, SPREAD) * BASIS_POINTS}
