"""The truth of rounds: their two prices, looked up as the records go by."""

import numpy as np

from ._engine.rules.truth_rule import (
    end_with,
    expected_close,
    find_end,
    move_between,
    problem_of_gap,
)
from .round_columns import PENDING, RECEIVED, RESOLVED, UNRESOLVABLE


class EndLookup:
    """Looks up one end of every round, each as soon as its records are there.

    It keeps the last record closed by each end, and, where that is not the one that was
    due, when the next one closed.
    """

    def __init__(self, instants, step_s):
        self._instants, self._step_s = instants, float(step_s)
        self._closed_at = np.full(instants.shape, -np.inf)
        self._price = np.full(instants.shape, np.nan)
        self._next_at = np.full(instants.shape, np.nan)
        # By subject: rounds whose end is still to come, and those without a next one.
        self._ahead, self._waiting = {}, {}

    def look_up(self, recording, new, before_s):
        """Look up the ends before an instant; `new` are places of further rounds."""
        subject = recording.subject
        closed_s, prices = recording.prices()
        ahead = np.concatenate([self._ahead.get(subject, new[:0]), new])
        is_due = self._instants[ahead] < before_s
        due, self._ahead[subject] = ahead[is_due], ahead[~is_due]
        end = find_end(closed_s, prices, self._instants[due], self._step_s, np.inf)
        self._closed_at[due], self._price[due] = end.closed_at, end.price
        late = due[end.late_s > 0]
        waiting = np.concatenate([self._waiting.get(subject, new[:0]), late])
        expected = expected_close(self._instants[waiting], self._step_s)
        after = np.searchsorted(closed_s, expected, side="right")
        has_next = after < len(closed_s)
        self._next_at[waiting[has_next]] = closed_s[after[has_next]]
        self._waiting[subject] = waiting[~has_next]

    def found(self, places, newest_s):
        """Return the ends of rounds, and when they were known, after all records."""
        end = end_with(
            self._closed_at[places],
            self._price[places],
            self._instants[places],
            self._step_s,
            newest_s,
        )
        known_at = np.where(end.late_s > 0, self._next_at[places], np.nan)
        return end, np.fmax(self._instants[places], known_at)


class TruthFinder:
    """Finds the truth of the rounds in `columns`, reading each record once."""

    def __init__(self, columns, step_s, staleness_fraction):
        self._columns, self._fraction = columns, staleness_fraction
        self._lookups = (
            EndLookup(columns.slot_at, step_s),
            EndLookup(columns.resolvable_at, step_s),
        )

    def look_up(self, recording, new, before_s=np.inf):
        """Look up what ends before an instant, which the recording was read to."""
        for lookup in self._lookups:
            lookup.look_up(recording, new, before_s)

    def finish(self, recording):
        """Set status, prices and `known_at` of the rounds about a subject."""
        columns = self._columns
        is_mine = np.array(
            [each["subject"] == recording.subject for each in columns.questions]
        )
        places = np.flatnonzero(
            is_mine[columns.place] & (columns.status == RECEIVED)
        )
        if recording.newest_s == -np.inf:
            return
        (entry, entry_known_at), (exit_, exit_known_at) = (
            lookup.found(places, recording.newest_s) for lookup in self._lookups
        )
        columns.known_at[places] = np.maximum(entry_known_at, exit_known_at)
        columns.entry_price[places] = entry.price
        columns.exit_price[places] = exit_.price
        allowed_s = np.full(places.shape, np.inf)
        if self._fraction:
            horizon_s = columns.resolvable_at[places] - columns.slot_at[places]
            allowed_s = horizon_s * self._fraction
        is_good = (entry.price > 0) & ~np.isnan(exit_.price)
        for end in (entry, exit_):
            is_good &= end.is_settled & (end.late_s <= allowed_s)
        columns.status[places[is_good]] = RESOLVED
        for i in np.flatnonzero(~is_good).tolist():
            status, reason = _ended(entry, exit_, i, allowed_s[i])
            columns.status[places[i]] = status
            if reason:
                columns.reason[places[i]] = columns.texts.code(reason)


def _ended(entry, exit_, i, allowed_s):
    """Return the status of a round without a plain truth, and why."""
    for name, end in (("entry", entry), ("exit", exit_)):
        if not end.is_settled[i]:
            return PENDING, ""
        if problem := problem_of_gap(name, end, i, allowed_s):
            return UNRESOLVABLE, problem
    truth, reason = move_between(float(entry.price[i]), float(exit_.price[i]))
    return (RESOLVED if truth else UNRESOLVABLE), reason
