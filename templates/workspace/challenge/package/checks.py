"""Asks a model as the site does, before it is submitted.

Two processes of the model, one after the other, get made-up data over a wire: as many
subjects and as many candles as on the site, with limits on memory, time and output.
"""

from collections import Counter
from datetime import timedelta

import numpy as np

from . import config
from ._engine.texts import counted
from .backtest import BacktestRunner
from .made_up_data import BEGIN, MadeUpData
from .model_files import ModelFailure, code_of
from .model_process import LIMITS, MOST_PRINTED, ModelProcess
from .problems import InvalidInput

# More than this share of the time limit is noted: the site's machine is another one.
MUCH = 0.5
TO_DO = {
    "BAD_IMPLEMENTATION": "correct the code: one class of TrackerBase with the methods "
    "of the competition, and only libraries that the competition names",
    "SETUP_FAILED": "the model's __init__ raised; it gets no arguments",
    "MODEL_FAILED": "the model raised, or answered what cannot be sent; the line is told",
    "TIMEOUT": "answer faster; work that takes long belongs into __init__",
    "DIED": "the process ended: it called exit(), crashed, or needs more memory",
    "INVALID_OUTPUT": "compare the answer with schemas/output.schema.json",
    "SCORING_FAILED": "the answer fits its type, but the scorer gives nothing for it",
    "LEFT_PROCESSES": "end what you start before you answer; the site ends it later",
    "TOO_MUCH_OUTPUT": "print less: the log takes 1 MB a second, and you wait for it",
    "NOT_REPEATABLE": "give random numbers a seed, and use no clock: nobody can repeat "
    "your score otherwise",
}


def check_model(path, rounds=100, limit_s=5.0, limits=None):
    """Ask two processes of a model the same rounds; return what was found.

    `problems` has a dict for each kind: `code`, `count`, `text`, `to_do`; it is empty
    for a model that is ready. `limits` replaces some of `model_process.LIMITS`.
    """
    code_of(path)
    rules, limits = config.rules(), {**LIMITS, **(limits or {})}
    every_s = min(question["every_s"] for question in rules["schedule"])
    try:
        until = BEGIN + timedelta(seconds=every_s * rounds)
    except OverflowError:
        raise InvalidInput(f"the rounds were {rounds}; ask fewer.") from None
    played = []
    while len(played) < 2 and not (played and played[0].problems):
        played.append(CheckRun(path, rules, limits, limit_s, until))
    last = played[-1]
    shown = last if last.problems else played[0]
    problems, outputs = shown.problems, shown.outputs
    digests = {run.result.digest for run in played if run.result}
    if len(digests) == 2:
        problems["NOT_REPEATABLE", "two processes gave different answers"] += 1
    if len(outputs) > 1 and len({str(output) for output in outputs}) == 1:
        shown.facts["notes"].append(f"every answer was {outputs[0]}")
    return {
        "answers": f"{len(outputs)} of {len(shown.result.rounds) if shown.result else 0}",
        **shown.facts,
        "is_repeatable": len(digests) == 1 if len(played) == 2 and last.result else None,
        "last_answer": outputs[-1] if outputs else None,
        "problems": [
            {"code": code, "count": count, "text": text, "to_do": TO_DO[code]}
            for (code, text), count in problems.most_common()
        ],
    }


class CheckRun:
    """One process of a model and the rounds that it was asked; failures by code.

    `result` is None for a model that could not be set up.
    """

    def __init__(self, path, rules, limits, limit_s, until):
        self.result, self.problems, self.outputs = None, Counter(), []
        self._has_ended = False
        with ModelProcess(path, rules, limit_s, limits) as self._process:
            try:
                self._process.set_up()
            except ModelFailure as failure:
                self.problems[failure.code, str(failure)] += 1
            else:
                self._play(until)
        self.facts = _facts(self._process, limits, limit_s)
        printed = self.facts["printed_bytes"]
        if printed > MOST_PRINTED:
            text = f"it printed {printed / 1e6:.1f} MB"
            self.problems["TOO_MUCH_OUTPUT", text] += 1

    def call(self, method, arguments):
        """Call the model; count its failures until its process ends."""
        try:
            return self._process.call(method, arguments)
        except ModelFailure as failure:
            if not self._has_ended:
                self.problems[failure.code, str(failure)] += 1
            self._has_ended = failure.code in ("TIMEOUT", "DIED")
            raise

    def _play(self, until):
        runner = BacktestRunner(_Remote(self), data=MadeUpData(), pull=False)
        self.result = runner.run(BEGIN, until)
        self.outputs = [row["output"] for row in self.result.rounds if row["output"]]
        told = {text for _, text in self.problems}
        for text, count in self.result.problems.items():
            if text.startswith("invalid output: "):
                self.problems["INVALID_OUTPUT", text] += count
            elif text not in told:
                self.problems["SCORING_FAILED", text] += count


class _Remote:
    """A model whose methods are calls to its process."""

    def __init__(self, run):
        self._run = run

    def __getattr__(self, name):
        return lambda *arguments: self._run.call(name, arguments)


def _facts(process, limits, limit_s):
    millis = np.array(process.times_s) * 1000
    p50, p99 = (
        (round(float(np.quantile(millis, q)), 3) if len(millis) else None)
        for q in (0.5, 0.99)
    )
    notes = []
    if process.has_network:
        notes.append("this system leaves the model its network; the site does not")
    if p99 is not None and p99 > MUCH * limit_s * 1000:
        share = p99 / limit_s / 1000
        notes.append(f"answers take {share:.0%} of the limit; the site may be slower")
    return {
        "p50_ms": p50,
        "p99_ms": p99,
        "limit_ms": limit_s * 1000,
        "memory_mb": round(process.peak_mb, 1),
        "memory_limit_mb": limits["memory_mb"],
        "printed_bytes": process.printed,
        "notes": notes,
        "log": list(process.newest_lines),
    }


def lines_of(found):
    """Return what a check found as lines of text."""
    for name, value in found.items():
        if name not in ("problems", "notes", "log"):
            yield f"{name:<17}{value}"
    yield from (f"note             {note}" for note in found["notes"])
    for each in found["problems"]:
        yield f"{each['code']:<17}{each['text']}  ({counted(each['count'], 'time')})"
        yield f"{'':<17}-> {each['to_do']}"
    if found["problems"] and found["log"]:
        yield "The end of what it printed:"
        yield from (f"  {line}" for line in found["log"])
