"""Runs all hostile models at once beside the demo, and prints what it cost the others.

    python -m tests.attacks.siege --minutes 10 --port 8700 [--control]

`--control` leaves the hostile models out, to see what the machine's load alone costs.
The site is started by `manage.py up` with a new folder of data below `var/`, and ended
by Ctrl-C (SIGINT).
"""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from competitions.local_models.usage import descendants, usage_of
from crunchsite.settings.env import BASE_DIR

EXAMPLES = BASE_DIR / "competitions" / "local_models" / "examples"
HOSTILE = BASE_DIR / "tests" / "attacks" / "models"
EACH_S = 5.0
START_S, END_S = 300.0, 60.0
MB = 2**20
# By model: so that each takes 64 processes and 512 MB at most, as all attacks here do.
SMALLER = {"breeder": ("ENOUGH = 200", "ENOUGH = 48"), "eater": ("56 * 2", "28 * 2")}

# Rounds by status, and each model's predictions by outcome and reason.
COUNT = """
import json
from django.db.models import Count
from competitions.models import Prediction, Round
rounds = dict(Round.objects.values_list("status").annotate(n=Count("pk")))
missed = list(Round.objects.filter(status="MISSED").values_list("slot_at", "reason"))
by_model = {}
rows = Prediction.objects.values_list("model__model_id", "outcome", "reason")
asked = Round.objects.filter(performed_at__isnull=False).count()
for model, outcome, reason in rows:
    counts = by_model.setdefault(model, {})
    text = f"{outcome} {reason[:60]}".strip()
    counts[text] = counts.get(text, 0) + 1
print(json.dumps([rounds, asked, by_model, missed], default=str))
"""


class Siege:
    """A separate site with models, and measurements of it."""

    def __init__(self, *, port: int, with_hostile: bool) -> None:
        self.var = BASE_DIR / "var" / f"siege-{port}"
        self._port = port
        models = self.var / "models"
        shutil.copytree(
            EXAMPLES, models, ignore=shutil.ignore_patterns("__*"), dirs_exist_ok=True
        )
        if with_hostile:
            for folder in (f for f in HOSTILE.iterdir() if (f / "main.py").exists()):
                shutil.copytree(folder, models / f"bad-{folder.name}")
                if folder.name in SMALLER:
                    main = models / f"bad-{folder.name}" / "main.py"
                    main.write_text(main.read_text().replace(*SMALLER[folder.name]))
        self.environment = {**os.environ, "PORT": str(port), "VAR_DIR": str(self.var)}
        self.waits: list[float] = []
        self.refusals = 0
        self.samples: list[tuple[float, float, int]] = []  # memory, disk (MB), tasks
        self._up = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=BASE_DIR,
            env=self.environment,
            stdout=(self.var / "up.log").open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self) -> None:
        end = time.monotonic() + START_S
        while "Ctrl-C" not in (self.var / "up.log").read_text():
            if self._up.poll() is not None or time.monotonic() > end:
                raise SystemExit((self.var / "up.log").read_text())
            time.sleep(0.5)

    def look(self) -> None:
        """Ask `/healthz`, and measure memory, disk and processes."""
        start = time.monotonic()
        try:
            address = f"http://127.0.0.1:{self._port}/healthz"
            with urllib.request.urlopen(address, timeout=30) as answer:
                answer.read()
        except OSError:
            self.refusals += 1
        self.waits.append(time.monotonic() - start)
        used = usage_of(self._up.pid)
        self.samples.append((used.memory_mb, _disk_mb(self.var), used.tasks))

    def count(self) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", COUNT],
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout or done.stderr

    def end(self) -> tuple[int, set[int]]:
        """Press Ctrl-C; returns the exit code, and the processes that outlive it."""
        pids = descendants(self._up.pid)
        self._up.send_signal(signal.SIGINT)
        code = self._up.wait(END_S)
        time.sleep(2)
        return code, {pid for pid in pids if Path(f"/proc/{pid}").exists()}


def _disk_mb(folder: Path) -> float:
    used = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # it has just gone
                used += Path(parent, name).lstat().st_blocks * 512
    return used / MB


def _abandoned() -> list[str]:
    """Return folders of orchestrators that have ended, but did not remove them."""
    found = []
    for path in Path(tempfile.gettempdir()).glob("crunchsite-*"):
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.append(path.name)
            finally:
                os.close(handle)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--control", action="store_true")
    args = parser.parse_args()
    siege = Siege(port=args.port, with_hostile=not args.control)
    try:
        siege.wait()
        end = time.monotonic() + args.minutes * 60
        while time.monotonic() < end:
            siege.look()
            time.sleep(EACH_S)
        counted = siege.count()
    finally:
        code, left = siege.end()
    waits = sorted(siege.waits)
    print(f"healthz: {len(waits)} asked, {siege.refusals} refused")
    print(f"  median {statistics.median(waits):.3f} s, longest {waits[-1]:.3f} s")
    for name, column in zip(
        ("memory MB", "disk MB", "tasks"), zip(*siege.samples, strict=True), strict=True
    ):
        third = column[len(column) // 3]
        peak, last = max(column), column[-1]
        print(f"{name}: {column[0]:.0f} at first, {third:.0f} after a third,")
        print(f"  {peak:.0f} at most, {last:.0f} at last")
    try:
        rounds, asked, by_model, missed = json.loads(counted)
    except ValueError:
        print(counted)
    else:
        print(f"rounds {rounds}, asked {asked}, missed {missed}")
        for model, counts in sorted(by_model.items()):
            print(f"  {model}: {counts}")
    print(f"Ctrl-C: exit {code}, processes left {sorted(left)}, folders {_abandoned()}")


if __name__ == "__main__":
    main()
