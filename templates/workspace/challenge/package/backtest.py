"""Plays recorded market data through a model, in the loop that the site runs.

For each slot of the site's grid: the newest closed records, `feed_update`, `predict`,
the check of the answer. Then the truth of each round, its score, and the figures that a
board would show. The rules are those of `_engine/`, which are the site's own files.
Records are read day by day and rounds are kept in arrays, so a long time fits.
"""

import sys
from contextlib import redirect_stdout
from datetime import datetime, timezone

import numpy as np

from . import config
from ._engine.rules.question_rule import scope_of
from .asking import Asker
from .backtest_result import BacktestResult
from .day_files import BacktestClient, instant, seconds_of
from .model_files import model_of, own
from .problems import InvalidInput, NoData, Problem
from .recording import Recording, piece_ends
from .round_columns import RoundColumns
from .round_scores import score_rounds
from .round_truths import TruthFinder


def backtest(model, since, until, **settings):
    """Backtest a model over `[since, until)`; see BacktestRunner."""
    return BacktestRunner(model, **settings).run(since, until)


class BacktestRunner:
    """Runs one model, given as a class, an object or the path of its code.

    `data` is a BacktestClient, `score` a function in place of the package's own,
    `rules` in place of `config.rules()`. With `pull`, missing days are downloaded.
    """

    def __init__(self, model, data=None, score=None, rules=None, pull=True):
        self.rules = rules or config.rules()
        self._model = model_of(model)
        self._data = data or BacktestClient()
        self._score = score or own("scoring", "score_prediction")
        self._pull = pull
        _, self._kind, granularity = config.feed()
        self._step_s = seconds_of(self._kind, granularity)
        self._questions = [
            {**question, "subject": scope["subject"], "scope": scope}
            for question in self.rules["schedule"]
            for scope in [
                scope_of(
                    self.rules["scope"], question["scope_template"], question["horizon_s"]
                )
            ]
        ]

    def run(self, since, until):
        """Play every slot of `[since, until)`; return a BacktestResult.

        Rounds whose truth lies behind the data stay PENDING and count for nothing.
        Raises NoData, InvalidInput and, where days are missing, Unreachable.
        """
        since, until = instant(since), instant(until)
        if since >= until:
            raise InvalidInput(f"the range was [{since}, {until}); it must not be empty.")
        subjects = sorted({question["subject"] for question in self._questions})
        if self._pull:
            self._pull_missing(subjects, since, until)
        since_s, until_s = since.timestamp(), until.timestamp()
        columns = self._grid(since_s, until_s)
        with redirect_stdout(sys.stderr):  # stdout is for figures
            self._play(columns, subjects, since_s, until_s)
            digest = score_rounds(columns, self._score, self.rules["value_field"])
        prices = {subject: self._recording(subject, since_s) for subject in subjects}
        end_s = self._end_s(until_s)
        pieces = piece_ends(self._begin_s(since_s), end_s, self._step_s)
        return BacktestResult(columns, self.rules, digest, since, until, (prices, pieces))

    def _pull_missing(self, subjects, since, until):
        """Download what is missing, with what precedes the first slot and the last truths.

        Models see the records of the hours before; without the day of those, the first
        rounds have no input. Where the site cannot be asked, the days asked for do.
        """
        begin = datetime.fromtimestamp(self._begin_s(since.timestamp()), timezone.utc)
        end = datetime.fromtimestamp(self._end_s(until.timestamp()), timezone.utc)
        for subject in subjects:
            try:
                if self._data.lacks(subject, begin, end):
                    self._data.pull(subject, begin, end)
            except NoData:
                if not self._data.has_any(subject, begin, end):
                    raise
            except Problem:  # without the site, or its leave
                if self._data.lacks(subject, since, until):
                    raise

    def _grid(self, since_s, until_s):
        """Return all rounds of a time, in the order in which the site asks them."""
        grids = [
            _slots(since_s, until_s, question["every_s"]) for question in self._questions
        ]
        slots = np.concatenate([np.empty(0), *grids])
        counts = [len(grid) for grid in grids]
        places = np.repeat(np.arange(len(grids)), counts)
        orders = np.repeat([question["order"] for question in self._questions], counts)
        order = np.lexsort((places, orders, slots))
        columns = RoundColumns(len(slots), self._questions)
        columns.slot_at[:], columns.place[:] = slots[order], places[order]
        return columns

    def _play(self, columns, subjects, since_s, until_s):
        """Read all records once: ask at the slots among them, and find the truths."""
        asker = Asker(self._model, self.rules, self._questions, self._kind, self._step_s)
        truths = TruthFinder(columns, self._step_s, self.rules["staleness_fraction"])
        recordings = {each: self._recording(each, since_s) for each in subjects}
        asked, end_s = 0, self._end_s(until_s)
        for piece_end in piece_ends(self._begin_s(since_s), end_s, self._step_s):
            for recording in recordings.values():
                recording.read_to(piece_end)
            part = slice(asked, int(np.searchsorted(columns.slot_at, piece_end)))
            asker.ask(columns, part, recordings)
            asked = part.stop
            new = np.arange(part.start, part.stop)
            for subject, recording in recordings.items():
                is_mine = [each["subject"] == subject for each in self._questions]
                mine = new[np.array(is_mine)[columns.place[part]]]
                is_last = piece_end == end_s
                truths.look_up(recording, mine, np.inf if is_last else piece_end)
        for recording in recordings.values():
            recording.require_any()
            truths.finish(recording)

    def _recording(self, subject, since_s):
        return Recording(self._data, subject, self._begin_s(since_s))

    def _begin_s(self, since_s):
        """Return from when on records are read: two windows before the first slot."""
        return since_s - self.rules["window"] * (self._step_s or 1) * 2

    def _end_s(self, until_s):
        longest_s = max(question["horizon_s"] for question in self._questions)
        return until_s + longest_s + (self._step_s or 1)


def _slots(since_s, until_s, every_s):
    first = -(-since_s // every_s) * every_s
    return np.arange(first, until_s, every_s, dtype=np.float64)
