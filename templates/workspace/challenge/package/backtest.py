"""Plays recorded market data through a model, in the loop that the site runs.

For each slot of the site's grid: the newest closed records, `feed_update`, `predict`,
the check of the answer. Then the truth of each round, its score, and the figures that a
board would show. The rules are those of `_engine/`, which are the site's own files.
"""

import importlib.util
import inspect
import json
import sys
from collections import deque
from contextlib import redirect_stdout
from math import isfinite
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from . import config
from ._engine.rules.answer_rule import as_output, coerced, require_size
from ._engine.rules.question_rule import call_arguments, raw_window, scope_of
from ._engine.rules.truth_rule import find_end, move_between, problem_of_gap
from .backtest_result import BacktestResult
from .day_files import BacktestClient, instant, seconds_of
from .problems import InvalidInput, NoData
from .tracker import TrackerBase

# How late the newest record may be beside its length, as on the site.
GRACE_S = 10.0
LONGEST_REASON = 500
# A model that calls exit() ends its process on the site; here it has failed.
RAISED = (Exception, SystemExit)


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
        self._score = score or _own("scoring", "score_prediction")
        self._build_input = _own("inference", "build_input") or (lambda raw: raw)
        self._validate = _own("validation", "validate_output")
        self._pull = pull
        _, self._kind, granularity = config.feed()
        self._step_s = seconds_of(self._kind, granularity)

    def run(self, since, until):
        """Play every slot of `[since, until)`; return a BacktestResult.

        Rounds whose truth lies behind the data stay PENDING and count for nothing.
        Raises NoData, InvalidInput and, where days are missing, Unreachable.
        """
        since, until = instant(since), instant(until)
        if since >= until:
            raise InvalidInput(f"the range was [{since}, {until}); it must not be empty.")
        self._series = {
            subject: self._load(subject, since, until)
            for subject in {question["subject"] for question in self._questions()}
        }
        with redirect_stdout(sys.stderr):  # stdout is for figures
            rounds = self._ask_all(since.timestamp(), until.timestamp())
        self._resolve(rounds)
        for number, row in enumerate(rounds):
            if row["status"] == "RESOLVED" and row["outcome"] == "ANSWERED":
                self._score_round(row, number)
        return BacktestResult(rounds, self.rules, self._series, since, until)

    def _questions(self):
        return [
            {**question, "subject": scope["subject"], "scope": scope, "place": place}
            for place, question in enumerate(self.rules["schedule"])
            for scope in [
                scope_of(
                    self.rules["scope"], question["scope_template"], question["horizon_s"]
                )
            ]
        ]

    def _load(self, subject, since, until):
        step_s = self._step_s or 1
        margin = np.timedelta64(int(self.rules["window"] * step_s * 2), "s")
        longest = max(question["horizon_s"] for question in self.rules["schedule"])
        begin = since - margin.item()
        end = until + np.timedelta64(int(longest + step_s), "s").item()
        try:
            return self._data.load(subject, begin, end)
        except NoData:
            if not self._pull:
                raise
        self._data.pull(subject, since, until)
        return self._data.load(subject, begin, end)

    def _ask_all(self, since_s, until_s):
        """Ask the model at each slot; return a row for each round."""
        questions = self._questions()
        slots = sorted(
            (slot, question["order"], question["place"])
            for question in questions
            for slot in _slots(since_s, until_s, question["every_s"])
        )
        wanted = self.rules["arguments"]
        arguments = [call_arguments(wanted, each["scope"]) for each in questions]
        windows = {
            subject: _Window(series, self.rules["window"])
            for subject, series in self._series.items()
        }
        return [
            self._ask(
                slot, questions[place], arguments[place], windows[questions[place]["subject"]]
            )
            for slot, _, place in slots
        ]

    def _ask(self, slot, question, arguments, window):
        row = {
            "slot_at": slot,
            "scope_key": question["scope_key"],
            "subject": question["subject"],
            "place": question["place"],
            "performed_at": slot,
            "resolvable_at": slot + question["horizon_s"],
            "known_at": None,
            "status": "RECEIVED",
            "outcome": None,
            "reason": "",
            "output": None,
            "truth": None,
            "score": None,
            "result": None,
            "failed_reason": "",
        }
        rows, kind = window.up_to(slot), self._kind
        limit_s = self.rules["max_input_age_candles"] * max(self._step_s, 1) + GRACE_S
        if not rows or slot - window.newest_closed_s > limit_s:
            row["status"] = "MISSED"
            row["reason"] = f"no closed {kind} of {question['subject']} was new enough"
            return row
        data = self._build_input(raw_window(question["subject"], kind, rows))
        try:
            getattr(self._model, self.rules["feed_update_method"])(data)
        except RAISED as error:
            row["reason"] = _told("feed_update", error)
        try:
            answer = getattr(self._model, self.rules["method"])(*arguments)
        except RAISED as error:
            row["outcome"], row["reason"] = "FAILED", _told(self.rules["method"], error)
            return row
        try:
            row["output"] = self._checked(answer)
            row["outcome"] = "ANSWERED"
        except Exception as error:
            row["outcome"], row["reason"] = "FAILED", f"invalid output: {error}"
        return row

    def _checked(self, answer):
        """Return an answer as the site stores it; raises ValueError for a bad one."""
        answer = _as_sent(answer)
        schema = self.rules["output_schema"]
        if self._validate:
            checked = self._validate(answer)
            answer = answer if checked is None else checked
        output = coerced(as_output(answer, schema.get("properties", {})), schema)
        if self.rules["trading"]:
            from ._engine.trading.signals import ordered_size

            mode = self.rules["trading"]["signal_mode"]
            output["value"] = float(ordered_size(mode, output, 0))
        require_size(output, self.rules["max_output_bytes"])
        return output

    def _resolve(self, rounds):
        """Set the truth of every asked round whose ends are in the data."""
        asked = [row for row in rounds if row["status"] == "RECEIVED"]
        step_s = float(self._step_s)
        for subject, series in self._series.items():
            mine = [row for row in asked if row["subject"] == subject]
            if not mine or not len(series.closed_s):
                continue
            ends = [
                find_end(
                    series.closed_s,
                    series.prices,
                    np.array([row[name] for row in mine]),
                    step_s,
                    float(series.closed_s[-1]),
                )
                for name in ("performed_at", "resolvable_at")
            ]
            fraction = self.rules["staleness_fraction"]
            for i, row in enumerate(mine):
                horizon_s = row["resolvable_at"] - row["performed_at"]
                allowed_s = horizon_s * fraction if fraction else np.inf
                _end(row, ends, i, allowed_s)
                row["known_at"] = _known_at(row, ends, i, series.closed_s)

    def _score_round(self, row, number):
        prediction = SimpleNamespace(
            **row["output"], model_id="backtest", prediction_id=number
        )
        truth = SimpleNamespace(**row["truth"])
        setattr(truth, "return", row["truth"]["actual_return"])
        try:
            result = self._score(prediction, truth)
            result = result if isinstance(result, dict) else vars(result)
            if not result.get("success", True):
                raise ValueError(result.get("failed_reason") or "no reason was given")
            value = result.get(self.rules["value_field"])
            if isinstance(value, bool) or not abs(value) <= 1e100:
                raise ValueError(f"the score was {value!r}; a score is finite")
        except Exception as error:
            row["failed_reason"] = str(error)[:LONGEST_REASON]
            return
        # Thousands of rounds are kept, so only what a snapshot averages.
        row["score"] = float(value)
        row["result"] = {
            name: extra
            for name, extra in result.items()
            if isinstance(extra, (int, float)) and not isinstance(extra, bool)
        }


class _Window:
    """The newest closed records of a subject, as the grid moves on."""

    def __init__(self, series, size):
        self._series, self._size = series, size
        self._closed_s = series.closed_s
        self._rows = deque(maxlen=size)
        self._next = 0
        self.newest_closed_s = -np.inf

    def up_to(self, at_s):
        """Return copies of the newest records that had closed by an instant."""
        end = int(np.searchsorted(self._closed_s, at_s, side="right"))
        if end > self._next:
            first = max(self._next, end - self._size)
            self._rows.extend(self._series.rows(first, end))
            self._next = end
            self.newest_closed_s = float(self._closed_s[end - 1])
        return list(map(dict.copy, self._rows))


_encode = json.JSONEncoder(allow_nan=False).encode


def _as_sent(answer):
    """Return an answer as it comes over the wire and out of the database.

    Raises ValueError for what JSON cannot hold. A database knows no negative zero.
    """
    if type(answer) is dict and all(
        type(name) is str and type(value) is float and isfinite(value)
        for name, value in answer.items()
    ):
        return {name: value + 0.0 for name, value in answer.items()}
    try:
        text = _encode(answer)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{error}; answer plain Python") from None
    return json.loads(text, parse_float=lambda digits: float(digits) + 0.0)


def _slots(since_s, until_s, every_s):
    first = -(-since_s // every_s) * every_s
    return np.arange(first, until_s, every_s, dtype=np.float64).tolist()


def _end(row, ends, i, allowed_s):
    for name, end in zip(("entry", "exit"), ends):
        if not end.is_settled[i]:
            row["status"] = "PENDING"
            return
        if problem := problem_of_gap(name, end, i, allowed_s):
            row["status"], row["reason"] = "UNRESOLVABLE", problem
            return
    prices = (float(end.price[i]) for end in ends)
    row["truth"], reason = move_between(*prices)
    row["status"] = "RESOLVED" if row["truth"] else "UNRESOLVABLE"
    row["reason"] = row["reason"] or reason


def _known_at(row, ends, i, closed_s):
    """Return when a round's truth is known: at its end, or once a gap has an end."""
    instants = [row["resolvable_at"]]
    for end in ends:
        if end.late_s[i] > 0:
            after = int(np.searchsorted(closed_s, end.expected[i], side="right"))
            instants += closed_s[after : after + 1].tolist()
    return max(instants)


def _told(method, error):
    """Return an exception with the line of the model's own code."""
    place, frames = "", error.__traceback__
    while frames is not None:
        path = Path(frames.tb_frame.f_code.co_filename)
        if path.parent != Path(__file__).parent:
            place = f" ({path.name}:{frames.tb_lineno})"
        frames = frames.tb_next
    return f"{method}: {type(error).__name__}: {error}{place}"[:LONGEST_REASON]


def _own(module, name):
    """Return a function of this package; None where the site keeps it to itself."""
    try:
        return getattr(importlib.import_module(f".{module}", __package__), name)
    except ModuleNotFoundError as error:
        if error.name != f"{__package__}.{module}":
            raise
        return None


def model_of(model):
    """Return a model object from an object, a class, or the path of its code.

    A path is a file, or a folder with `main.py`, with one class that derives from
    TrackerBase. Raises InvalidInput.
    """
    if isinstance(model, (str, Path)):
        model = _class_in(Path(model))
    if not inspect.isclass(model):
        return model
    try:
        with redirect_stdout(sys.stderr):
            return model()
    except RAISED as error:
        raise InvalidInput(f"the model does not start: {_told('init', error)}.") from None


def _class_in(path):
    file = path / "main.py" if path.is_dir() else path
    if not file.is_file():
        raise InvalidInput(f"{file} is not there; give a file, or a folder with main.py.")
    # A submission imports its base class as `tracker`, as on the site.
    sys.modules.setdefault("tracker", sys.modules[TrackerBase.__module__])
    spec = importlib.util.spec_from_file_location(f"submission_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except RAISED as error:
        raise InvalidInput(f"{file} cannot be loaded: {_told('import', error)}.") from None
    finally:
        sys.path.remove(str(file.parent))
    found = [
        each
        for each in vars(module).values()
        if inspect.isclass(each)
        and issubclass(each, TrackerBase)
        and each.__module__ == module.__name__
    ]
    if len(found) != 1:
        names = ", ".join(each.__name__ for each in found) or "none"
        raise InvalidInput(f"{file} needs one class of TrackerBase; it has {names}.")
    return found[0]
