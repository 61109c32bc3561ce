"""Asks for known vulnerabilities of the pinned packages: `make audit`.

Exit code 0: none known; 1: some, listed; 4: the database could not be asked.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PINS = "requirements/prod.txt"


def verdict(packages: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Return the exit code and the lines that say why, from pip-audit's report."""
    asked = [package for package in packages if "skip_reason" not in package]
    if not asked:
        line = (
            f"None of {len(packages)} packages could be checked: the database of "
            "vulnerabilities is out of reach. Ask again with a connection to it."
        )
        return 4, [line]
    found = [
        f"{package['name']} {package['version']}: {problem['id']}, mended in "
        f"{', '.join(problem['fix_versions']) or 'no version yet'}"
        for package in asked
        for problem in package["vulns"]
    ]
    unknown = [p["name"] for p in packages if "skip_reason" in p]
    if unknown:
        found.append(f"not checked: {', '.join(unknown)}")
    found.append(f"{len(asked)} of {len(packages)} packages checked")
    return int(any(package["vulns"] for package in asked)), found


def main() -> int:
    tool = Path(sys.executable).with_name("pip-audit")
    options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run(
        [tool, *options, "--format", "json", "--requirement", PINS],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout:
        sys.stderr.write(done.stderr)
        return 4
    code, lines = verdict(json.loads(done.stdout)["dependencies"])
    sys.stdout.write("\n".join([*lines, ""]))
    return code


if __name__ == "__main__":
    sys.exit(main())
