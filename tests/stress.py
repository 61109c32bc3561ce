"""Repeats tests beside a process that keeps every core busy: `make stress`.

Prints each test that failed with the number of its failures; the exit code is 1 if
there was one, else 0.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path


def spin() -> None:
    while True:
        pass


def failed_tests(report: Path) -> list[str]:
    """Return the names of the tests that failed, from a JUnit report."""
    cases = ET.parse(report).iter("testcase")
    return [
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="how often (default: 5)")
    parser.add_argument("arguments", nargs="*", help="passed on to pytest")
    options = parser.parse_args()
    hogs = [
        multiprocessing.Process(target=spin, daemon=True)
        for _ in range(os.cpu_count() or 1)
    ]
    for hog in hogs:
        hog.start()
    failures: Counter[str] = Counter()
    passed = 0
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        for turn in range(1, options.times + 1):
            command = [sys.executable, "-m", "pytest", "-q", "--no-header"]
            found = subprocess.run(
                [*command, f"--junit-xml={report}", *options.arguments], check=False
            )
            passed += found.returncode == 0
            failures.update(failed_tests(report))
            print(f"{passed} of {turn} runs passed", flush=True)
    for name, times in failures.most_common():
        print(f"{times:4} {name}")
    return int(passed < options.times)


if __name__ == "__main__":
    sys.exit(main())
