"""A week of rounds at one every 15 s, as fast as they go: does memory stay flat?

Leaks live where things fail, so part of the models keep failing: one hangs, one raises
until it is let go, one dies and comes back, one leaves and joins, one cannot be
reached, and now and then the orchestrator itself is away.
"""

import argparse
import itertools
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.gateway import announce, question, runners

WEEK_OF_ROUNDS = 7 * 24 * 3600 // 15
# Rounds between two turns of what goes wrong.
TURN_ROUNDS = 100
TIMEOUT_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=WEEK_OF_ROUNDS)


def run(args: argparse.Namespace) -> dict[str, Any]:
    from competitions.gateway.gateway import ModelGateway
    from competitions.gateway.types import Argument, Call

    candle = {"ts": 0, "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0}
    data = {"symbol": "BTCUSDT", "candles_1m": [candle] * 120}
    feed = Call("feed_update", (Argument("JSON", data),))
    with runners(args.models, args.processes) as (folder, sockets):
        orchestrator = announce(sockets)
        gateway = ModelGateway(
            host="127.0.0.1",
            port=orchestrator.port,
            crunch_id="bench",
            base_classname="tracker.TrackerBase",
            timeout_s=TIMEOUT_S,
            max_consecutive_failures=20,
            max_consecutive_timeouts=3,
        )
        gateway.start()
        while len(gateway.live()) < args.models:
            time.sleep(0.01)
        expected = [*sorted(sockets), "dead"]
        outcomes: Counter[str] = Counter()
        marks = {args.rounds * part // 10 for part in range(11)}
        resident_mb, open_files = [], []
        started = time.perf_counter()
        for number in itertools.count():
            if number in marks:
                resident_mb.append(_resident_mb())
                open_files.append(len(os.listdir("/proc/self/fd")))  # noqa: PTH208
            if number == args.rounds:
                break
            if number % TURN_ROUNDS == 0:
                _turn(number // TURN_ROUNDS, orchestrator, folder, sockets)
            found = gateway.ask(feed=feed, question=question(), expected=expected)
            outcomes.update(answer.outcome for answer in found.answers)
        elapsed_s = time.perf_counter() - started
        reports = Counter(r["failure_code"] for r in orchestrator.reports)
        gateway.close()
        orchestrator.stop()
    return {
        "name": "gateway_soak",
        "rounds": args.rounds,
        "models": args.models,
        "outcomes": dict(outcomes),
        "reports": dict(reports),
        "seconds": round(elapsed_s, 1),
        "resident_mb": resident_mb,
        "open_files": open_files,
        "growth_after_first_tenth_mb": round(resident_mb[-1] - resident_mb[1], 1),
    }


def _turn(turn: int, orchestrator: Any, folder: Path, sockets: dict[str, Path]) -> None:
    """Each second turn things go wrong; in between, they are mended."""
    goes_wrong = turn % 2 == 1
    wishes = dict(zip(("hang", "raise", "die"), sockets, strict=False))
    for wish, model_id in wishes.items():
        mark = folder / f"{model_id}.{wish}"
        if goes_wrong:
            mark.touch()
            continue
        mark.unlink(missing_ok=True)
        # As after an edit: the gateway may have let go of it.
        orchestrator.announce(model_id, address=sockets[model_id], deployment=turn)
    leaving = [*sockets][3]
    if goes_wrong:
        orchestrator.withdraw(leaving)
        orchestrator.announce("dead", address=folder / "dead.sock", deployment=turn)
    else:
        orchestrator.announce(leaving, address=sockets[leaving], deployment=turn)
        if "dead" in orchestrator.models:
            orchestrator.withdraw("dead")
    if turn % 8 == 5:
        orchestrator.pause()
        orchestrator.start()


def _resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    kilobytes = status.partition("VmRSS:")[2].split()[0]
    return round(int(kilobytes) / 1024, 1)
