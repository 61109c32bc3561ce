"""A participant's backtest against the least that a model needs: data and calls.

Both play `--records` one-minute candles through the same example. The limit keeps the
newest 120 and calls `feed_update` and `predict`; ours checks answers, resolves truths,
scores, and sums up, too. `ratio` is the limit's median time divided by ours.
"""

import argparse
import importlib
import sys
import tempfile
from collections import deque
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.measure import compare, peak_mb

EXAMPLE = "mean_reversion_tracker.py"
NAME = "bench-desk"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=int, default=43_200)


def run(args: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        challenge = _written(Path(folder))
        sys.path.insert(0, str(challenge))
        try:
            return _compare(args, challenge)
        finally:
            sys.path.remove(str(challenge))


def _written(folder: Path) -> Path:
    from competitions import packs
    from competitions.scaffold.answers import parse_answers, with_pack
    from competitions.scaffold.render import Workspace

    answers = parse_answers({"name": NAME, "layout": "base"})
    workspace = Workspace(with_pack(answers, packs.load("baseline")))
    return workspace.write(folder) / "challenge"


def _compare(args: argparse.Namespace, challenge: Path) -> dict[str, Any]:
    package = f"crunch_{NAME.replace('-', '_')}"
    made_up = importlib.import_module(f"{package}.made_up_data")
    backtest = importlib.import_module(f"{package}.backtest")
    path = challenge / package / "examples" / EXAMPLE
    span = made_up.BEGIN, made_up.BEGIN + timedelta(minutes=args.records)

    def ours() -> Any:
        runner = backtest.BacktestRunner(path, data=made_up.MadeUpData(), pull=False)
        return runner.run(*span).as_dict()

    found = compare(
        "backtest",
        ours=ours,
        limit=lambda: _limit(backtest, made_up, path, span),
        reset=lambda: None,
        repeats=args.repeats,
        records=args.records,
    )
    return {**found, "digest": ours()["digest"], "peak_mb": peak_mb()}


def _limit(backtest: ModuleType, made_up: ModuleType, path: Path, span: Any) -> None:
    model = backtest.model_of(path)
    series = made_up.MadeUpData().load("BTCUSDT", span[0] - timedelta(hours=2), span[1])
    window: deque[dict[str, Any]] = deque(maxlen=120)
    for row in series.rows(0, len(series.closed_s)):
        window.append(row)
        if len(window) == 120:
            rows = list(map(dict.copy, window))
            model.feed_update(
                {"symbol": "BTCUSDT", "asof_ts": row["ts"], "candles_1m": rows}
            )
            model.predict("BTCUSDT", 60, 60)
