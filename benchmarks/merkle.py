"""The log's tree beside plain hashlib, and what a round of N answers adds.

Ours: a tree of `--leaves`, its root, and `--proofs` of inclusion. The limit: as many
calls of hashlib, on as many bytes, as the tree has hashes. `round_s` is the time that
committing to a round adds in its transaction, `round_statements` the statements.
"""

import argparse
import hashlib
import statistics
import time
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from benchmarks.measure import compare
from competitions import lifecycle
from competitions.gateway.types import ModelAnswer
from competitions.models import Competition
from competitions.rounds.round_leaves import AskedRound, log_rounds
from competitions.rules_version import log_rules
from competitions.wiring import wiring_of
from core import clock
from core.tlog.merkle import MemoryTree, inclusion_proof, leaf_hash


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--leaves", type=int, default=10_000)
    parser.add_argument("--proofs", type=int, default=1_000)
    parser.add_argument("--models", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=30)


def run(args: argparse.Namespace) -> dict[str, Any]:
    entries = [f"entry {i:064}".encode() for i in range(args.leaves)]
    nodes = [(bytes(32), bytes(32))] * (args.leaves - 1)

    def ours() -> None:
        tree = MemoryTree(map(leaf_hash, entries))
        tree.root()
        for proof in range(args.proofs):
            inclusion_proof(proof * 7 % args.leaves, args.leaves, tree)

    def limit() -> None:
        for entry in entries:
            hashlib.sha256(b"\x00" + entry).digest()
        for left, right in nodes:
            hashlib.sha256(b"\x01" + left + right).digest()

    round_s, statements = _round(args)
    return compare(
        "merkle",
        ours=ours,
        limit=limit,
        reset=lambda: None,
        repeats=args.repeats,
        leaves=args.leaves,
        proofs=args.proofs,
        models=args.models,
        round_s=round_s,
        round_statements=statements,
    )


def _round(args: argparse.Namespace) -> tuple[dict[str, float], int]:
    """Return what committing to a round takes, and how many statements."""
    competition = lifecycle.create_competition(
        slug="bench-merkle", pack_name="baseline", feed_source="simulated"
    )
    answers = [
        ModelAnswer(str(i), "ANSWERED", {"value": i / 7}, exec_time_us=900)
        for i in range(args.models)
    ]
    with transaction.atomic():
        _commit(competition, answers, 0)
    seconds = []
    for number in range(1, args.rounds + 1):
        with transaction.atomic():
            start = time.perf_counter()
            _commit(competition, answers, number)
            seconds.append(time.perf_counter() - start)
    with transaction.atomic(), CaptureQueriesContext(connection) as statements:
        _commit(competition, answers, args.rounds + 1)
    return {
        "median_s": statistics.median(seconds),
        "min_s": min(seconds),
        "max_s": max(seconds),
    }, len(statements)


def _commit(competition: Competition, answers: list[ModelAnswer], number: int) -> None:
    now = clock.now()
    asked = AskedRound(
        pk=number,
        scope_key="BTCUSDT-60",
        scope={"subject": "BTCUSDT", "resolve_horizon_seconds": 60},
        slot_at=now,
        asked_at=now,
        resolvable_at=now + timedelta(seconds=60),
        shown={
            "symbol": "BTCUSDT",
            "candles_1m": [
                {"ts": 60 * i, "open": 1.5 * i, "close": 1.7 * i, "volume": 0.0}
                for i in range(60)
            ],
        },
        answers=answers,
    )
    rules = log_rules(competition, wiring_of(competition))
    log_rounds(competition, [asked], rules=rules)
