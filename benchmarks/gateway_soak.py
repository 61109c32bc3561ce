"""A week of rounds at one every 15 s, as fast as they go: does memory stay flat?"""

import argparse
import itertools
import time
from pathlib import Path
from typing import Any

from benchmarks.gateway import announce, question, runners

WEEK_OF_ROUNDS = 7 * 24 * 3600 // 15


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
    with runners(args.models, args.processes) as (_, sockets):
        orchestrator = announce(sockets)
        gateway = ModelGateway(
            host="127.0.0.1",
            port=orchestrator.port,
            crunch_id="bench",
            base_classname="tracker.TrackerBase",
            timeout_s=5,
        )
        gateway.start()
        while len(gateway.live()) < args.models:
            time.sleep(0.01)
        expected = sorted(sockets)
        answered = 0
        resident_mb = []
        started = time.perf_counter()
        marks = {args.rounds * part // 10 for part in range(11)}
        for number in itertools.count():
            if number in marks:
                resident_mb.append(_resident_mb())
            if number == args.rounds:
                break
            found = gateway.ask(feed=feed, question=question(), expected=expected)
            answered += sum(a.outcome == "ANSWERED" for a in found.answers)
        elapsed_s = time.perf_counter() - started
        gateway.close()
        orchestrator.stop()
    return {
        "name": "gateway_soak",
        "rounds": args.rounds,
        "models": args.models,
        "answered": answered,
        "seconds": round(elapsed_s, 1),
        "resident_mb": resident_mb,
        "growth_after_first_tenth_mb": round(resident_mb[-1] - resident_mb[1], 1),
    }


def _resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    kilobytes = status.partition("VmRSS:")[2].split()[0]
    return round(int(kilobytes) / 1024, 1)
