"""`./coordinator check-model PATH`: the participants' self-test."""

import logging
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from competitions.check_model.ask_scopes import WINDOW
from competitions.check_model.checkup import Checkup, check_model
from competitions.check_model.market import made_up_candles
from competitions.config_loader import load_config
from competitions.slots import wire
from core.texts import for_terminal
from feeds.providers import replay

LONGEST_S = 86_400.0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"rounds was {text!r}; give a whole number from 1 on.")
    return int(text)


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) <= LONGEST_S:
            return float(text)
    raise ArgumentTypeError(
        f"timeout was {text!r}; give a number of seconds above 0, a day's at most."
    )


class Command(BaseCommand):
    help = (
        "Test a model's folder as in a live competition, and say whether it is ready."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="folder with main.py")
        parser.add_argument(
            "-n", "--rounds", type=_count, default=100, help="to ask; default: 100"
        )
        parser.add_argument(
            "--timeout",
            type=_seconds,
            default=settings.ENV.model_runner_timeout_s,
            help="seconds that the model has for an answer; default: "
            "MODEL_RUNNER_TIMEOUT_S",
        )
        parser.add_argument(
            "--feed",
            type=Path,
            help="Parquet or CSV file of candles; default: the simulated exchange",
        )
        parser.add_argument(
            "--no-sandbox",
            action="store_true",
            help="in this process, where breakpoint() works: one instance, no time"
            " limit, network and files open",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("competitions.gateway").setLevel(logging.CRITICAL)
        config = load_config()
        check = check_model
        if options["no_sandbox"]:
            from competitions.check_model.debugging import debug_model

            check = debug_model
        found = check(
            path=options["path"],
            wiring=wire(config, {}),
            base_classname=settings.ENV.model_base_classname,
            candles=self._candles(options["feed"], options["rounds"] + WINDOW),
            rounds=options["rounds"],
            timeout_s=options["timeout"],
            level=settings.ENV.local_models_level,
        )
        self._tell(found)
        if not found.is_fit:
            raise CommandError("the model is not ready; see the problems above.")

    def _candles(self, feed: Path | None, count: int) -> Sequence[dict[str, float]]:
        if feed is not None:
            columns = next(iter(replay.load(feed).values()))
            names = ("open", "high", "low", "close", "volume")
            rows = zip(*(columns[n][:count] for n in ("at", *names)), strict=True)
            return [
                {"ts": int(at), **dict(zip(names, map(float, values), strict=True))}
                for at, *values in rows
            ]
        return made_up_candles(count)

    def _tell(self, found: Checkup) -> None:
        def say(text: str) -> None:
            self.stdout.write(for_terminal(text))

        if found.sandbox:
            say(f"sandbox       {found.sandbox}")
        if found.setup_s is None:
            say("setup         FAILED")
        else:
            say(f"setup         {found.setup_s:.2f} s")
            say(f"answers       {found.answered} of {found.rounds}")
        if found.p50_ms is not None and found.p99_ms is not None:
            share = found.p99_ms / found.limit_ms
            say(
                f"answer time   p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms "
                f"({share:.0%} of the limit of {found.limit_ms:g} ms)"
            )
        if found.peak_mb is not None:
            say(f"memory        {found.peak_mb:.0f} MB at most")
        if found.is_deterministic is not None:
            words = {
                True: "yes: two instances gave the same answers",
                False: "NO: two instances on the same data differ, so nobody can "
                "repeat your score",
            }
            say(f"repeatable    {words[found.is_deterministic]}")
        if found.sample is not None:
            say(f"last answer   {found.sample}")
        for text, count in found.problems.most_common():
            say(f"problem       {text}" + (f"  ({count} times)" if count > 1 else ""))
        if found.problems and found.log:
            say("The end of what it printed:")
            say("\n".join(f"  {line}" for line in found.log.splitlines()))
