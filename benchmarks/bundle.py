"""A day of one competition as a bundle: written, and verified by both programs.

The limit: unpacking the bundle and parsing each line of it as JSON. Memory is the peak
of a process that verifies and does nothing else.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from benchmarks import _scoring
from competitions.gateway.types import ModelAnswer
from competitions.models import Prediction, Round
from competitions.rounds.round_leaves import AskedRound, log_rounds
from competitions.rules_version import log_rules
from competitions.wiring import wiring_of
from core import clock
from core.clock import Frozen
from crunchsite.bundles.export_period import export_period
from emissions import checkpoints
from proofs import log_keys, sealing
from scoring.cycle import run_cycle

ROOT = Path(__file__).resolve().parent.parent
SEALED_TOGETHER = 8  # rounds, under one head


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5760)


def run(args: argparse.Namespace) -> dict[str, Any]:
    log_keys.write_lines([log_keys.new_key("bench.example/log")])
    checkpoint = _period(args)
    file = settings.VAR_DIR / "period.zip"
    start = time.perf_counter()
    with file.open("wb") as out:
        facts = export_period(checkpoint, out)
    export_s = time.perf_counter() - start
    scorer = str(ROOT / "competitions/shared/score_rule.py")
    programs = {
        "coordinator": ["manage.py", "coordinator", "verify", str(file)],
        "stranger": ["crunchsite/static/site/verify.py", str(file), "--scorer", scorer],
    }
    found = {name: _timed(line, args.repeats) for name, line in programs.items()}
    limit = statistics.median(_parsed_in(file) for _ in range(args.repeats))
    return {
        "benchmark": "bundle",
        "models": args.models,
        "rounds": len(facts.rounds),
        "heads": len(facts.heads),
        "megabytes": round(file.stat().st_size / 1e6, 2),
        "export_s": round(export_s, 2),
        "limit_s": round(limit, 3),
        **found,
    }


def _period(args: argparse.Namespace) -> Any:
    """Return the checkpoint of rounds a minute apart, each with its entry."""
    competition, models = _scoring.make_competition(models=args.models)
    competition.crunch_pubkey = "BENCH"
    hours = -(-(args.rounds + 2) // 60)
    competition.emission_interval_s = hours * 3600
    begin = _scoring.START + timedelta(
        hours=-_scoring.START.timestamp() // 3600 % hours
    )
    competition.activated_at = begin
    competition.save()
    _scoring.add_rounds(competition, models, first=begin, count=args.rounds)
    wiring = wiring_of(competition)
    rounds = list(Round.objects.order_by("slot_at"))
    for first in range(0, len(rounds), SEALED_TOGETHER):
        part = rounds[first : first + SEALED_TOGETHER]
        at = part[0].slot_at
        with clock.use(Frozen(start=at, anchor=at)):
            with transaction.atomic():
                rules = log_rules(competition, wiring)
                log_rounds(competition, map(_asked, part), rules=rules)
            sealing.seal()
    for hour in range(1, hours + 1):
        at = begin + timedelta(hours=hour, seconds=-1)
        with clock.use(Frozen(start=at, anchor=at)):
            run_cycle(competition_id=competition.pk)
    at = begin + timedelta(hours=hours, minutes=1)
    with clock.use(Frozen(start=at, anchor=at)):
        [made] = checkpoints.close_due(now=at)
        while sealing.seal():
            pass
    return made


def _asked(round_: Round) -> AskedRound:
    answers = Prediction.objects.filter(round=round_).select_related("model")
    assert round_.performed_at is not None
    return AskedRound(
        pk=round_.pk,
        scope_key=round_.scope_key,
        scope=round_.scope,
        slot_at=round_.slot_at,
        asked_at=round_.performed_at,
        resolvable_at=round_.resolvable_at,
        shown={},
        answers=[
            ModelAnswer(each.model.model_id, "ANSWERED", each.output)
            for each in answers
        ],
    )


# Says how much memory a program has had: what the system tells begins with its parent.
_WATCHED = """
import atexit, runpy, sys
@atexit.register
def _():
    (line,) = [t for t in open("/proc/self/status") if t.startswith("VmHWM")]
    print(line.split()[1], file=sys.stderr)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def _timed(line: list[str], repeats: int) -> dict[str, Any]:
    """Return CPU and wall seconds, and the peak memory, of a program that agrees."""
    walls, cpus, peak = [], [], 0
    for _ in range(repeats):
        start = time.perf_counter()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = subprocess.run(
            [sys.executable, "-c", _WATCHED, *line],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - start)
        cpus.append(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime)
        peak = max(peak, int(ended.stderr.split()[-1]) // 1024)
    return {
        "cpu_s": round(statistics.median(cpus), 2),
        "wall_s": round(statistics.median(walls), 2),
        "peak_mb": peak,
    }


def _parsed_in(file: Path) -> float:
    start = time.perf_counter()
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as lines:
                if name.endswith(("json", "jsonl")):
                    for line in lines:
                        json.loads(line)
    return time.perf_counter() - start
