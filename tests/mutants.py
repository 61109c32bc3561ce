"""Changes the code in small ways, one at a time, and runs the tests that should fail.

`make mutants` tries every entry of tests/mutants.toml in copies of the tree and prints
whether it was noticed. The exit code is 1 below LEAST of them. `python -m tests.mutants
scoring/cycle.py` tries those of one file.

An entry has `file`, `original` (text that is there once), `changed`, and `tests`
(arguments of pytest). One with `same` says why no test can tell the two apart; it is
listed, not tried.
"""

import argparse
import ast
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parents[1]
LIST = ROOT / "tests" / "mutants.toml"
LEAST = 0.9
# What pytest says: all passed, some failed.
PASSED, FAILED = 0, 1
# Importing these starts threads of polars, and a fork would wait for them for ever.
NOT_IN_FORKS = ("tests/livepool/test_reader_hostile.py",)
_SECONDS = itertools.count(1)


@dataclass(frozen=True)
class Mutant:
    """A change of one file, and the tests that should fail with it."""

    file: str
    original: str
    changed: str
    tests: tuple[str, ...]
    same: str = ""

    def __str__(self) -> str:
        parts = (" ".join(part.split()) for part in (self.original, self.changed))
        return f"{self.file}: {' -> '.join(parts)}"

    def applied(self, root: Path) -> str:
        """Return the file's text with the change; ValueError if that cannot be."""
        text = (root / self.file).read_text()
        found = text.count(self.original)
        if found != 1:
            raise ValueError(f"{self}: its original text is there {found} times")
        changed = text.replace(self.original, self.changed)
        if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(text)):
            raise ValueError(f"{self}: it changes nothing")
        return changed


def read_list(path: Path = LIST) -> list[Mutant]:
    """Read the entries of a list, in its order."""
    entries = tomllib.loads(path.read_text())["mutant"]
    return [Mutant(**entry | {"tests": tuple(entry["tests"])}) for entry in entries]


def problems(mutants: Sequence[Mutant], root: Path = ROOT) -> list[str]:
    """Say why entries no longer fit the tree: changed code, a test that is gone."""
    found = []
    for mutant in mutants:
        try:
            mutant.applied(root)
        except (OSError, ValueError, SyntaxError) as error:
            found.append(str(error))
        if not mutant.tests and not mutant.same:
            found.append(f"{mutant}: it names no test")
        for test in mutant.tests:
            path, _, name = test.partition("::")
            name = name.partition("[")[0]
            is_there = (root / path).exists()
            if not is_there or (
                name and f"def {name}(" not in (root / path).read_text()
            ):
                found.append(f"{mutant}: there is no {test}")
    return found


def run_tests(
    folder: Path, tests: Sequence[str], *options: str
) -> subprocess.CompletedProcess[str]:
    """Run tests in a tree until one fails; `returncode` is PASSED or FAILED."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header"]
    own = ("DJANGO_", "PYTEST_")  # of the run of pytest that this may be part of
    environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", "--reuse-db", *options, *tests],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def first_failure(mutant: Mutant, folder: Path) -> str | None:
    """Try a change in a copy of the tree: the test that failed, None if none did.

    The copy is afterwards as it was before. Raises RuntimeError where the tests do not
    run at all: that is no notice.
    """
    path = folder / mutant.file
    original, written = path.read_text(), path.stat()
    path.write_text(mutant.applied(folder))
    # A compiled module is taken for this one's by its second and size.
    os.utime(path, (written.st_atime, written.st_mtime + next(_SECONDS)))
    try:
        run = run_tests(folder, mutant.tests)
    finally:
        path.write_text(original)
        os.utime(path, (written.st_atime, written.st_mtime))
    if run.returncode == PASSED:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", run.stdout, re.MULTILINE)
    if run.returncode != FAILED or failed is None:
        raise RuntimeError(f"{mutant}: its tests do not run\n{run.stdout}{run.stderr}")
    return failed[1]


def copy_tree(folder: Path) -> None:
    """Copy what the repository holds, as it is now."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\0")):
        if (ROOT / name).is_file():  # not one that was deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to((ROOT / ".venv").resolve())


def try_in_forks(
    places: Sequence[int], folder: Path
) -> tuple[dict[int, str], list[str]]:
    """Try changes by their places in the list, without their files (tests/forks.py).

    Return the test that failed, by place, and the tests that fail without a change.
    Both are empty if the tests do not run at all.
    """
    mutants = read_list(folder / "tests" / LIST.name)
    tests = sorted({test for place in places for test in mutants[place].tests})
    outcomes = folder / "outcomes.jsonl"
    listed = ",".join(map(str, places))
    options = ("-p", "tests.forks", f"--mutants={listed}", f"--mutants-to={outcomes}")
    run = run_tests(folder, tests, *options)
    if run.returncode != PASSED:
        print(f"no forks:\n{run.stdout}{run.stderr}", flush=True)
        return {}, []
    broken, *found = map(json.loads, outcomes.read_text().splitlines())
    return {place: failed for place, failed in found if failed}, broken


def try_all(mutants: Sequence[Mutant], folders: Sequence[Path]) -> list[Mutant]:
    """Try the changes, as many at once as there are copies; those nobody noticed."""
    listed = read_list()
    places = [listed.index(mutant) for mutant in mutants]
    forked = [
        place
        for place in places
        if not any(test.startswith(NOT_IN_FORKS) for test in listed[place].tests)
    ]
    size = -(-len(forked) // len(folders))
    shares = [forked[i : i + size] for i in range(0, len(forked), max(size, 1))]
    noticed: dict[int, str] = {}
    broken: list[str] = []
    free: SimpleQueue[Path] = SimpleQueue()
    for folder in folders:
        free.put(folder)

    def attempt(place: int) -> bool:
        folder, mutant, began = free.get(), listed[place], time.monotonic()
        is_broken = any(test.startswith(mutant.tests) for test in broken)
        try:
            failed = None if is_broken else first_failure(mutant, folder)
            said = failed or "NOBODY" + ": fails without a change, too" * is_broken
        except RuntimeError as error:
            failed, said = None, f"NOBODY: {error}"
        finally:
            free.put(folder)
        took = f"{time.monotonic() - began:5.1f} s"
        print(f"{took}  {mutant}\n         by {said}", flush=True)
        return failed is not None

    with ThreadPoolExecutor(len(folders)) as pool:
        for found, failing in pool.map(try_in_forks, shares, folders):
            noticed |= found
            broken += failing
        for place, failed in noticed.items():
            print(f"in a fork  {listed[place]}\n         by {failed}", flush=True)
        left = [place for place in places if place not in noticed]
        outcomes = list(pool.map(attempt, left))
    return [listed[p] for p, seen in zip(left, outcomes, strict=True) if not seen]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="only changes of these files")
    files = parser.parse_args(arguments).files
    mutants = [m for m in read_list() if not files or m.file in files]
    if stale := problems(mutants):
        print("\n".join(stale))
        return 2
    same = [mutant for mutant in mutants if mutant.same]
    tried = [mutant for mutant in mutants if not mutant.same]
    places = ROOT / "var"
    places.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=places) as place:
        Path(place).chmod(0o711)  # PostgreSQL's own user walks through
        folders = [Path(place) / str(n) for n in range(os.cpu_count() or 1)]
        for folder in folders:
            folder.mkdir()
            copy_tree(folder)
        unnoticed = try_all(tried, folders)
    for mutant in same:
        print(f"the same  {mutant}\n          {mutant.same}")
    share = 1 - len(unnoticed) / max(len(tried), 1)
    print(f"{len(tried) - len(unnoticed)} of {len(tried)} noticed: {share:.1%}")
    print(*(f"unnoticed: {mutant}" for mutant in unnoticed), sep="\n")
    return int(share < LEAST)


if __name__ == "__main__":
    sys.exit(main())
