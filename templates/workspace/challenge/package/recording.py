"""The records of a subject, read from first to last in pieces of whole days.

A piece is forgotten when the next is read, so the memory is that of one piece.
"""

from collections import deque
from datetime import datetime, timezone

import numpy as np

from .problems import NoData

DAY_S = 86_400
# About so many records are read at once; a day at least.
RECORDS_AT_ONCE = 20_000
# So many rows are made at once for windows.
ROWS_AT_ONCE = 1024


def piece_ends(since_s, until_s, step_s):
    """Return the ends of the pieces of a time: midnights, and its own end."""
    days = max(1, int(RECORDS_AT_ONCE * step_s // DAY_S))
    length_s = days * DAY_S
    first = (since_s // length_s + 1) * length_s
    return [*np.arange(first, until_s, length_s).tolist(), until_s]


class Recording:
    """Reads the pieces of a subject's records; holds the newest one.

    `data` has `load(subject, since, until)`, which returns a Series or raises NoData.
    """

    def __init__(self, data, subject, begin_s):
        self.subject = subject
        self._data, self._begun_s, self._end_s = data, begin_s, begin_s
        self._is_empty = True
        self.piece = None
        # The newest record before the piece: when it closed, its price.
        self.before = -np.inf, np.nan

    @property
    def closed_s(self):
        """Return when the piece's records close."""
        return self.piece.closed_s if self.piece else np.empty(0)

    @property
    def newest_s(self):
        """Return when the newest record so far closes; -inf before the first."""
        return float(self.closed_s[-1]) if len(self.closed_s) else self.before[0]

    def read_to(self, end_s):
        """Take the records that open before an instant as the piece."""
        if len(self.closed_s):
            self.before = self.newest_s, float(self.piece.prices[-1])
        try:
            self.piece = self._load(self._end_s, end_s)
            self._is_empty = False
        except NoData:
            self.piece = None
        self._end_s = end_s

    def require_any(self):
        """Raise NoData if there was no record in all of the time."""
        if self._is_empty:
            self._load(self._begun_s, self._end_s)

    def prices(self):
        """Return when records closed and their prices: the piece, and the one before."""
        if not len(self.closed_s):
            return np.array(self.before[:1]), np.array(self.before[1:])
        closed_s = np.concatenate([self.before[:1], self.closed_s])
        return closed_s, np.concatenate([self.before[1:], self.piece.prices])

    def _load(self, since_s, until_s):
        since, until = (
            datetime.fromtimestamp(each, timezone.utc) for each in (since_s, until_s)
        )
        return self._data.load(self.subject, since, until)


class RecordWindow:
    """The newest closed records of a recording as rows, as the grid moves on."""

    def __init__(self, size):
        self._size = size
        self._rows = deque(maxlen=size)
        self._piece, self._next = None, 0
        self._made, self._made_from, self._made_end = [], 0, 0

    def begin(self, piece):
        """Go on with the next piece; its rows follow those that are there."""
        if self._piece is not None:
            self._take(len(self._piece.closed_s))
        self._piece, self._next = piece, 0
        self._made, self._made_from, self._made_end = [], 0, 0

    def rows(self, end):
        """Return copies of the newest rows before a place of the piece."""
        if end == self._next + 1 <= self._made_end:
            self._rows.append(self._made[end - 1 - self._made_from])
            self._next = end
        elif end > self._next:
            self._take(end)
        return list(map(dict.copy, self._rows))

    def _take(self, end):
        first = max(self._next, end - self._size)
        if first >= end:
            return
        if end > self._made_end:
            last = max(end, first + ROWS_AT_ONCE if first == self._next else end)
            self._made, self._made_from = self._piece.rows(first, last), first
            self._made_end = first + len(self._made)
        begin = first - self._made_from
        self._rows.extend(self._made[begin : begin + end - first])
        self._next = end
