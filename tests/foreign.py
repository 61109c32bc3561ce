"""Foreign programs that cannot share our environment: each has one of its own, kept."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


def installed(requirement: str, program: str) -> Path:
    """Return a program of a package, which is installed on first use.

    Skips the test that asks where there is no registry to install from.
    """
    name = f"{requirement.partition('==')[0]}-{sys.version_info.minor}"
    home = PROJECT / "var" / "test" / name
    found = home / "bin" / program
    if not found.exists():
        venv.create(home, clear=True)
        uv = [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet"]
        run = subprocess.run(
            [*uv, "--python", home / "bin" / "python", requirement],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            found.unlink(missing_ok=True)
            pytest.skip(f"no registry to install {requirement}: {run.stderr[-200:]}")
    return found
