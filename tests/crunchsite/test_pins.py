"""The compiled pins are in step with pyproject.toml and name no registry."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = {
    "base": PROJECT["dependencies"],
    "prod": PROJECT["dependencies"],
    "dev": PROJECT["dependencies"] + EXTRAS["dev"],
}


def pins(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    found = {}
    for line in re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE):
        found.setdefault(line[0], []).append(line[1])
    return found


@pytest.mark.parametrize("name", WANTED)
def test_every_dependency_is_pinned_inside_its_range(name):
    pinned = pins(name)
    for text in WANTED[name]:
        wanted = Requirement(text)
        versions = pinned[canonicalize_name(wanted.name)]
        assert all(wanted.specifier.contains(v) for v in versions), (text, versions)


@pytest.mark.parametrize("name", WANTED)
def test_every_pin_has_hashes_and_no_registry_is_named(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert all("--hash=sha256:" in block for block in blocks)
