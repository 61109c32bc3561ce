"""Contrarian: the last move overshot, so the next one gives it back."""

from tracker import BASIS_POINTS, TrackerBase


class Contrarian(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        closes = self.closes(subject)
        if len(closes) < 3:
            return {"value": 0.0}
        last_move = next(
            (
                later / earlier - 1
                for earlier, later in zip(closes[-2::-1], closes[:0:-1])
                # A quiet candle has no direction: look further back.
                if later != earlier
            ),
            0.0,
        )
        return {"value": -last_move * BASIS_POINTS}
