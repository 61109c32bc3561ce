"""The engine as a wheel: whole, and enough for a node that has no copy of it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import crunchsite
from competitions.scaffold import vendor

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")
PACKAGES = sorted({*vendor.PACKAGES} - {"requirements"})
# Of the checkout alone, or made where it runs.
ELSEWHERE = ("__pycache__", ".gitkeep")


def run(*command, cwd, **env):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={"PATH": os.defpath, "HOME": str(cwd), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    run(
        *(UV, "build", "--wheel", "--offline", "--no-config"),
        *("--python", sys.executable, "--out-dir", out, ROOT),
        cwd=out,
    )
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with the wheel alone; what it depends on is this environment's."""
    place = tmp_path_factory.mktemp("installed")
    run(
        *(UV, "pip", "install", "--offline", "--no-index", "--no-deps", "--no-config"),
        *("--quiet", "--python", sys.executable, "--target", place, wheel),
        cwd=place,
    )
    return place


def test_it_has_every_file_of_its_packages_and_no_other(wheel):
    held = {
        name
        for name in zipfile.ZipFile(wheel).namelist()
        if not name.endswith("/") and ".dist-info" not in name
    }
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {name for name in held if not name.endswith(ELSEWHERE)} == {
        name for name in listed if not name.endswith(ELSEWHERE)
    }


def test_a_thin_node_is_made_and_checked_by_the_wheel_alone(installed, tmp_path):
    coordinator = [sys.executable, installed / "bin" / "coordinator"]
    env = {"PYTHONPATH": str(installed)}
    said = run(
        *coordinator, "init", "hot-days", "--pack", "realtime", cwd=tmp_path, **env
    )
    assert Path(said.strip()) == Path("hot-days")
    node = tmp_path / "hot-days" / "crunch-node-hot-days"
    assert not (node / "runtime").exists()
    pinned = f'"crunchsite=={crunchsite.__version__}"'
    assert pinned in (node / "pyproject.toml").read_text()
    lines = json.loads(
        run(*coordinator, "doctor", "--offline", "--json", cwd=node, **env)
    )
    assert {line["level"] for line in lines} <= {"OK", "SKIP"}
    assert sum(line["code"] == "slot_call" for line in lines) >= 3
    code = (
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        "from django.contrib.staticfiles import finders\n"
        "from django.template.loader import get_template\n"
        "get_template('site/home.html'); assert finders.find('site/site.css')\n"
        "print(settings.SITE_DIR, settings.VAR_DIR, settings.WORKSPACES_DIR)\n"
    )
    env |= {
        "WORKSPACE": str(node),
        "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
    }
    places = run(sys.executable, "-c", code, cwd=tmp_path, **env).split()
    assert places == [str(node), str(node / "var"), str(node / "workspaces")]


def test_a_copy_of_the_engine_is_made_in_a_clone_alone(installed, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, installed / "bin" / "coordinator"),
            *("init", "hot-days", "--layout", "vendored"),
        ],
        cwd=tmp_path,
        env={"PATH": os.defpath, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 2
    assert "this one is an installed package. Use --layout thin" in done.stderr
    assert list(tmp_path.iterdir()) == []
