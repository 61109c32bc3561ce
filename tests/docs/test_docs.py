"""What the docs promise exists: links, commands, make targets, variables."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from benchmarks.__main__ import _modules
from crunchsite.settings.env import Env

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("name", NAMES)
def test_links_to_files_resolve(name):
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{name}: {target}"


def test_each_attack_that_is_held_names_a_test_that_exists():
    text = (ROOT / "docs" / "security.md").read_text()
    rows = [r for r in text.splitlines() if r.startswith("| ") and "`" in r]
    named = [re.findall(r"`((?:tests/)?[\w/]*test_\w+\.py)`", row) for row in rows]
    tests = {path for paths in named for path in paths}
    assert len(tests) > 20
    for path in tests:
        place = ROOT / path if "/" in path else ROOT / "tests" / "crunchsite" / path
        assert place.exists(), path


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist(name):
    text = (ROOT / name).read_text()
    for command in re.findall(r"manage\.py ([a-z_]+)", text):
        assert command in get_commands(), f"{name}: manage.py {command}"
    targets = [  # the project's, and those of a workspace's node
        target
        for makefile in ("Makefile", "templates/workspace/node/Makefile")
        for target in re.findall(
            r"^([a-z0-9-]+):", (ROOT / makefile).read_text(), re.MULTILINE
        )
    ]
    for target in re.findall(
        r"^(?:[A-Z_]+=\S+ )*make ([a-z0-9-]+)", text, re.MULTILINE
    ):
        assert target in targets, f"{name}: make {target}"
    for benchmark in re.findall(r"python -m benchmarks ([a-z_]+)", text):
        assert benchmark in _modules(), f"{name}: benchmark {benchmark}"


@pytest.mark.parametrize("name", NAMES)
def test_commands_to_copy_run_in_the_environment_of_the_clone(name):
    """Outside of it, `manage.py` finds no Django, and `coordinator` is not there."""
    text = (ROOT / name).read_text()
    assert not re.findall(r"^(?: {4})?coordinator ", text, re.MULTILINE)
    commands = re.findall(
        r"^(?: {4})?(\S*python3? |\./)?manage\.py ", text, re.MULTILINE
    )
    assert set(commands) <= {".venv/bin/python "}


@pytest.mark.parametrize("name", NAMES)
def test_history_for_the_tape_is_asked_for_by_its_age(name):
    """A date that is written down is some day older than what the tape keeps."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    for command in re.findall(r"(?:coordinator|manage\.py) backfill .*", text):
        assert "--from 2" not in command or "--sink parquet" in command


def test_what_a_site_runs_on_is_what_it_is_tested_with():
    def pins(name):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        return set(re.findall(r"^[\w.-]+==[^\s;]+", text, re.MULTILINE))

    assert pins("base") | pins("prod") <= pins("dev")


def test_variables_that_the_readme_sets_are_read():
    text = (ROOT / "README.md").read_text()
    for variable in re.findall(r"\b([A-Z][A-Z_]+[A-Z])=", text):
        assert variable.lower() in Env.model_fields, variable


def test_the_index_leads_to_each_page():
    index = (ROOT / "docs/README.md").read_text()
    pages = {
        str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")
    }
    linked = set(re.findall(r"\]\(([^)]+)\)", index))
    apart = {p for p in pages if p.startswith("decisions/0") or "/workspace/" in p}
    apart.add("README.md")
    assert linked == pages - apart


def test_the_decisions_are_numbered_dated_and_in_their_index():
    index = (ROOT / "docs/decisions/README.md").read_text()
    pages = sorted((ROOT / "docs/decisions").glob("0*.md"))
    rows = []
    for number, page in enumerate(pages, start=1):
        found = re.match(
            r"# (\d+)\. (.+)\n\n\*\*Status\*\*: accepted, (\S+)\.\n", page.read_text()
        )
        assert found, page.name
        assert page.name.startswith(f"{number:04}-")
        rows.append(f"| {number} | [{found[2]}]({page.name}) | {found[3]} |")
        assert int(found[1]) == number
    assert re.findall(r"^\| \d+ .*$", index, re.MULTILINE) == rows
