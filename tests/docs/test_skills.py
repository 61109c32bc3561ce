"""The skills have the names and the parts by which assistants find them."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SKILLS = (
    "coordinator-data-sources",
    "coordinator-prediction-format",
    "coordinator-scoring",
    "coordinator-leaderboard-reports",
)
PARTS = (
    *("Goal", "Canonical places", "Required decisions", "Extension contract"),
    *("Implementation checklist", "Verification"),
)


def front_matter(path: Path) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load(path.read_text().split("---")[1])
    return found


def test_the_repository_has_a_skill():
    found = front_matter(ROOT / "SKILL.md")
    assert found["name"] == "coordinator-node-starter"
    assert found["description"]
    assert all(f"skills/{name}/" in (ROOT / "SKILL.md").read_text() for name in SKILLS)


@pytest.mark.parametrize("name", SKILLS)
def test_each_sub_skill_has_its_name_and_parts(name):
    path = ROOT / "docs" / "skills" / name / "SKILL.md"
    assert front_matter(path)["name"] == name
    parts = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
    assert parts == list(PARTS)


@pytest.mark.parametrize("name", SKILLS)
def test_the_places_that_a_skill_names_exist(name):
    text = (ROOT / "docs" / "skills" / name / "SKILL.md").read_text()
    places = re.findall(r"`((?:feeds|competitions|scoring|emissions)/[\w/.]*)`", text)
    assert places
    assert [place for place in places if not (ROOT / place).exists()] == []
