"""The rounds of a backtest in arrays; read as rows, one dict for each round."""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from ._engine.rules.truth_rule import move_between, return_between
from .json_column import JsonColumn, NumberColumns, number_texts

STATUSES = ("RECEIVED", "MISSED", "PENDING", "UNRESOLVABLE", "RESOLVED")
RECEIVED, MISSED, PENDING, UNRESOLVABLE, RESOLVED = range(5)
OUTCOMES = (None, "ANSWERED", "FAILED")
NOT_ASKED, ANSWERED, FAILED = range(3)
_TRUTH = (
    '{"actual_return":%s,"direction_up":%s,"entry_price":%s,"resolved_price":%s}'
)


class Texts:
    """Reasons, each kept once; the code of a text stands in a column."""

    def __init__(self):
        self._codes, self.values = {"": 0}, [""]

    def code(self, text):
        """Return the code of a text, a new one where it is new."""
        found = self._codes.setdefault(text, len(self.values))
        if found == len(self.values):
            self.values.append(text)
        return found


class RoundColumns(Sequence):
    """Rounds, oldest first: arrays while a backtest runs, and rows for who reads them.

    Rows have `slot_at`, `scope_key`, `subject`, `status`, `outcome`, `reason`,
    `output`, `truth`, `score`, `failed_reason` and more. They are made as they are
    read, so a list of them needs far more memory than this.
    """

    def __init__(self, size, questions):
        self.questions = questions
        self.slot_at = np.empty(size)
        self.place = np.empty(size, np.int16)
        self.status = np.zeros(size, np.uint8)
        self.outcome = np.zeros(size, np.uint8)
        self.reason = np.zeros(size, np.uint32)
        self.failed_reason = np.zeros(size, np.uint32)
        self.known_at = np.full(size, np.nan)
        self.entry_price = np.full(size, np.nan)
        self.exit_price = np.full(size, np.nan)
        self.score = np.full(size, np.nan)
        self.texts = Texts()
        self.outputs, self.results = JsonColumn(), NumberColumns()
        # Rounds are added in blocks; each is a slice.
        self.blocks = []

    def end_block(self, end, outputs):
        """Close a block before a round, with the outputs of its rounds."""
        begin = self.blocks[-1].stop if self.blocks else 0
        self.blocks.append(slice(begin, end))
        self.outputs.append(outputs)

    @property
    def resolvable_at(self):
        """Return when each round ends."""
        horizons = np.array([each["horizon_s"] for each in self.questions], float)
        return self.slot_at + horizons[self.place]

    def truths(self, part):
        """Return the truth of each round of a slice; None where it has none."""
        return [
            move_between(paid, got)[0] if is_resolved else None
            for is_resolved, paid, got in zip(
                (self.status[part] == RESOLVED).tolist(),
                self.entry_price[part].tolist(),
                self.exit_price[part].tolist(),
            )
        ]

    def truth_texts(self, part):
        """Return the truth of each round of a slice as JSON with sorted names."""
        paid, got = self.entry_price[part], self.exit_price[part]
        ups = np.where(got > paid, "true", "false").tolist()
        first, last = number_texts(paid), number_texts(got)
        moves = number_texts(return_between(paid, got))
        texts = map(_TRUTH.__mod__, zip(moves, ups, first, last))
        is_resolved = self.status[part] == RESOLVED
        if is_resolved.all():
            return list(texts)
        return [t if known else "null" for t, known in zip(texts, is_resolved.tolist())]

    def __len__(self):
        return len(self.slot_at)

    def __iter__(self):
        for number, part in enumerate(self.blocks):
            yield from self._rows(number, part)

    def __getitem__(self, index):
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            if step != 1:
                return list(self)[index]
            return list(islice(self._from(first), max(0, last - first)))
        place = range(len(self))[index]
        return next(self._from(place))

    def _from(self, first):
        for number, part in enumerate(self.blocks):
            if part.stop > first:
                skipped = max(0, first - part.start)
                yield from islice(self._rows(number, part), skipped, None)

    def _rows(self, number, part):
        values, known = self.texts.values, self.known_at[part].tolist()
        columns = zip(
            self.slot_at[part].tolist(),
            self.place[part].tolist(),
            self.resolvable_at[part].tolist(),
            known,
            self.status[part].tolist(),
            self.outcome[part].tolist(),
            self.reason[part].tolist(),
            self.outputs.block(number),
            self.truths(part),
            self.score[part].tolist(),
            self.failed_reason[part].tolist(),
        )
        for slot, place, end, at, status, outcome, why, output, truth, score, failed in (
            columns
        ):
            question = self.questions[place]
            yield {
                "slot_at": slot,
                "scope_key": question["scope_key"],
                "subject": question["subject"],
                "performed_at": slot,
                "resolvable_at": end,
                "known_at": at if at == at else None,
                "status": STATUSES[status],
                "outcome": OUTCOMES[outcome],
                "reason": values[why],
                "output": output,
                "truth": truth,
                "score": score if score == score else None,
                "failed_reason": values[failed],
            }
