"""Asks a model at each slot, as the site does, and checks what it answers."""

import json

import numpy as np

from ._engine.rules.answer_rule import OutputFields, as_output, require_size
from ._engine.rules.question_rule import call_arguments, raw_window
from .model_files import RAISED, own, told
from .recording import RecordWindow
from .round_columns import ANSWERED, FAILED, MISSED, NOT_ASKED

# How late the newest record may be beside its length, as on the site.
GRACE_S = 10.0
# So many answers are held as they came before they are put into arrays.
ROUNDS_IN_BLOCK = 2048
# Levels of lists and dicts in an answer.
DEEPEST = 32


class Asker:
    """Asks one model the questions of a schedule, in order of time.

    `questions` have `subject`, `scope` and more; a round names its own by its place.
    """

    def __init__(self, model, rules, questions, kind, step_s):
        self._model, self._kind = model, kind
        self._feed_update, self._method = rules["feed_update_method"], rules["method"]
        self._subjects = [each["subject"] for each in questions]
        self._arguments = [
            call_arguments(rules["arguments"], each["scope"]) for each in questions
        ]
        self._limit_s = rules["max_input_age_candles"] * max(step_s, 1) + GRACE_S
        self._windows = {s: RecordWindow(rules["window"]) for s in self._subjects}
        self._build_input = own("inference", "build_input")
        self._check = AnswerCheck(rules).checked

    def ask(self, columns, part, recordings):
        """Ask the rounds of a slice; set status, outcome and reason, close blocks."""
        places = columns.place[part]
        ends = np.zeros(len(places), np.int64)
        newest_s = np.full(len(places), -np.inf)
        for subject, recording in recordings.items():
            self._windows[subject].begin(recording.piece)
            is_mine = np.array([each == subject for each in self._subjects])[places]
            slots = columns.slot_at[part][is_mine]
            before = np.searchsorted(recording.closed_s, slots, side="right")
            closed_s = np.concatenate([recording.before[:1], recording.closed_s])
            ends[is_mine], newest_s[is_mine] = before, closed_s[before]
        is_late = columns.slot_at[part] - newest_s > self._limit_s
        columns.status[part][is_late] = MISSED
        for first in range(0, len(places), ROUNDS_IN_BLOCK):
            block = slice(first, min(first + ROUNDS_IN_BLOCK, len(places)))
            asked = zip(
                places[block].tolist(), ends[block].tolist(), is_late[block].tolist()
            )
            self._ask_block(columns, part.start + block.start, asked)

    def _ask_block(self, columns, first, asked):
        code, outputs, outcomes, reasons = columns.texts.code, [], [], []
        subjects, windows, answer = self._subjects, self._windows, self._answer
        for place, end, is_late in asked:
            subject = subjects[place]
            if is_late:
                outcome, output = NOT_ASKED, None
                reason = f"no closed {self._kind} of {subject} was new enough"
            else:
                rows = windows[subject].rows(end)
                outcome, reason, output = answer(subject, rows, place)
            outputs.append(output)
            outcomes.append(outcome)
            reasons.append(code(reason) if reason else 0)
        block = slice(first, first + len(outputs))
        columns.outcome[block], columns.reason[block] = outcomes, reasons
        columns.end_block(block.stop, outputs)

    def _answer(self, subject, rows, place):
        """Return outcome, reason and output of one round."""
        model, reason = self._model, ""
        data = raw_window(subject, self._kind, rows)
        if self._build_input:
            data = self._build_input(data)
        try:
            getattr(model, self._feed_update)(data)
        except RAISED as error:
            reason = told("feed_update", error)
        try:
            answer = getattr(model, self._method)(*self._arguments[place])
        except RAISED as error:
            return FAILED, told(self._method, error), None
        try:
            return ANSWERED, reason, self._check(answer)
        except Exception as error:
            return FAILED, f"invalid output: {error}", None


class AnswerCheck:
    """The site's check of answers."""

    def __init__(self, rules):
        self._fields = OutputFields(rules["output_schema"])
        self._validate = own("validation", "validate_output")
        self._most_bytes, self._trading = rules["max_output_bytes"], rules["trading"]
        self._is_plain = not self._validate and not self._trading

    def checked(self, answer):
        """Return an answer as the site stores it; raises ValueError for a bad one."""
        if self._is_plain and type(answer) is dict:
            is_exact = len(answer) == len(self._fields.names)
            if is_exact and self._fields.accept(answer, self._most_bytes):
                return {name: value + 0.0 for name, value in answer.items()}
        answer = _as_sent(answer)
        if self._validate:
            valid = self._validate(answer)
            answer = answer if valid is None else valid
        output = self._fields.coerced(as_output(answer, self._fields.names))
        if self._trading:
            from ._engine.trading.signals import ordered_size

            mode = self._trading["signal_mode"]
            output["value"] = float(ordered_size(mode, output, 0))
        require_size(output, self._most_bytes)
        return output


_encode = json.JSONEncoder(allow_nan=False).encode


def _as_sent(answer):
    """Return an answer as it comes over the wire and out of the database.

    Raises ValueError for what JSON or the database cannot hold. A database knows no
    negative zero.
    """
    try:
        text = _encode(answer)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{error}; answer plain Python") from None
    # An escaped backslash before `u0000` is harmless.
    if "\\u0000" in text and "\\u0000" in text.replace("\\\\", ""):
        raise ValueError("the answer contains a NUL character, which cannot be stored")
    sent = json.loads(text, parse_float=lambda digits: float(digits) + 0.0)
    level = [sent]
    for _ in range(DEEPEST):
        level = [child for item in level for child in _children(item)]
    if any(isinstance(item, (dict, list)) for item in level):
        raise ValueError(f"the answer is nested deeper than {DEEPEST} levels")
    return sent


def _children(item):
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else ()
