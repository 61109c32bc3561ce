"""Each pack, in one layout, from `init` to a board that is scored: `make live`.

A clone's engine, a vendored copy and the wheel run one of them each; with the packs of
docs/examples it takes some minutes.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_examples import labels as labels  # noqa: PLC0414  a fixture
from tests.e2e.conftest import ROOT
from tests.ports import free_port

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not os.environ.get("LIVE"), reason="`make live` runs these"),
]
UV = Path(sys.executable).with_name("uv")


def run(*command, cwd, **env):
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=1400,
    )


def made(folder, pack, layout):
    done = run(
        *(sys.executable, ROOT / "manage.py", "coordinator", "init", "live"),
        *("--pack", pack, "--layout", layout, "--output", folder),
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return folder / "live" / ("node" if layout == "base" else "crunch-node-live")


def verdict(coordinator, node, *, cwd, **env):
    done = run(
        *(*coordinator, "dev", node, "--exit", "--timeout", "600"),
        *("--until-scored", "600"),
        cwd=cwd,
        PORT=str(free_port()),
        **env,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-6000:]
    assert done.stdout.startswith("OK  http://localhost:"), done.stdout
    assert done.stdout.count("RUNNING") >= 3, done.stdout


CLONE = (sys.executable, ROOT / "manage.py", "coordinator")


@pytest.mark.parametrize(
    ("pack", "speed"),
    [
        ("baseline", "20"),
        ("trading", "10"),
        ("docs/examples/house-prices", "10"),
    ],
)
def test_a_base_node_is_scored_by_the_clone(tmp_path, pack, speed):
    node = made(tmp_path, pack, "base")
    verdict(CLONE, node, cwd=ROOT, CLOCK_SPEED=speed)


def test_a_vendored_node_is_scored_by_its_own_copy(tmp_path):
    node = made(tmp_path, "realtime", "vendored")
    own = (sys.executable, node / "runtime" / "manage.py", "coordinator")
    verdict(own, node, cwd=node, CLOCK_SPEED="10")


def test_a_thin_node_is_scored_by_the_wheel(tmp_path):
    node = made(tmp_path, "tournament", "thin")
    quiet = ("--offline", "--no-config", "--python", sys.executable)
    run(UV, "build", "--wheel", *quiet, "--out-dir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    place = tmp_path / "installed"
    options = ("--no-index", "--no-deps", "--target", place)
    done = run(UV, "pip", "install", *quiet, *options, wheel, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    own = (sys.executable, place / "bin" / "coordinator")
    verdict(own, node, cwd=tmp_path, PYTHONPATH=str(place), CLOCK_SPEED="30")


def test_texts_are_ranked_by_a_service_that_is_up(tmp_path, labels):
    labels.update({f"t{i:02d}": i * 7 % 12 / 12 for i in range(1, 13)})
    node = made(tmp_path, "docs/examples/text-sentiment", "base")
    verdict(CLONE, node, cwd=ROOT, CLOCK_SPEED="10")
