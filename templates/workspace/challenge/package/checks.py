"""Asks a model on made-up data, before it is submitted: answers, time, repeatability.

The model runs in this process, without the site's sandbox: what it may read or reach is
checked when it is submitted.
"""

import time
from datetime import timedelta

import numpy as np

from . import config
from .backtest import BacktestRunner
from .made_up_data import BEGIN, MadeUpData



class Timed:
    """A model whose calls are timed."""

    def __init__(self, model, method):
        self._model, self._method, self.times_s = model, method, []

    def __getattr__(self, name):
        target = getattr(self._model, name)
        if name != self._method:
            return target

        def timed(*arguments):
            begin = time.perf_counter()
            try:
                return target(*arguments)
            finally:
                self.times_s.append(time.perf_counter() - begin)

        return timed


def check_model(path, rounds=100, limit_s=5.0):
    """Ask two objects of a model the same rounds; return what was found.

    `problems` holds a line for each kind of problem; empty for a model that is ready.
    """
    rules = config.rules()
    every_s = min(question["every_s"] for question in rules["schedule"])
    until = BEGIN + timedelta(seconds=every_s * rounds)
    results, times = [], []
    for _ in range(2):
        runner = BacktestRunner(path, data=MadeUpData(), pull=False)
        timed = Timed(runner._model, rules["method"])
        runner._model = timed
        results.append(runner.run(BEGIN, until))
        times.append(timed.times_s)
    first, second = results
    answered = sum(row["outcome"] == "ANSWERED" for row in first.rounds)
    is_repeatable = first.digest == second.digest
    slow = sum(each > limit_s for each in times[0])
    problems = [f"{count} x {reason}" for reason, count in first.problems.items()]
    if slow:
        problems.append(f"{slow} answers took longer than {limit_s:g} s")
    if len({str(row["output"]) for row in first.rounds if row["output"]}) == 1:
        problems.append("every answer was the same")
    millis = np.array(times[0]) * 1000
    return {
        "answers": f"{answered} of {len(first.rounds)}",
        "p50_ms": round(float(np.median(millis)), 3) if len(millis) else None,
        "p99_ms": round(float(np.quantile(millis, 0.99)), 3) if len(millis) else None,
        "limit_ms": limit_s * 1000,
        "is_repeatable": is_repeatable,
        "last_answer": next(
            (row["output"] for row in reversed(first.rounds) if row["output"]), None
        ),
        "problems": problems,
    }
