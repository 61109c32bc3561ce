"""Modules of one name in two workspaces are two modules."""

import sys

import pytest

from core import workspaces
from core.imports import Sources, admit, import_target

FILES = {
    "node/runtime_definitions/__init__.py": "",
    "node/runtime_definitions/helpers.py": "WORD = '{word}'\n",
    "node/runtime_definitions/data.py": """
import json
import runtime_definitions.helpers
import runtime_definitions.helpers as renamed
from dataclasses import dataclass
from runtime_definitions import helpers
from runtime_definitions.helpers import WORD
from . import helpers as relative


@dataclass
class Row:
    word: "str"


def word():
    from runtime_definitions import later  # found when it is called
    assert runtime_definitions.helpers is helpers is relative is renamed
    return json.dumps([WORD, later.LATER, Row("{word}").word])
""",
    "node/runtime_definitions/later.py": "LATER = 'later {word}'\n",
    "challenge/crunch_alike/__init__.py": "",
    "challenge/crunch_alike/scoring.py": "from runtime_definitions.data import word\n",
}


@pytest.fixture
def two(tmp_path, monkeypatch):
    for word in ("one", "two"):
        for path, text in FILES.items():
            file = tmp_path / word / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("{word}", word))
    monkeypatch.setattr(workspaces, "_home", None)
    workspaces.keep_in(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("workspaces")]:
        del sys.modules[name]


@pytest.fixture
def allowed(monkeypatch):
    from core import imports

    before = imports._sources
    admit(lambda: Sources(packages=("workspaces",)))
    yield
    admit(before)


@pytest.mark.parametrize("word", ["one", "two"])
@pytest.mark.parametrize("module", ["runtime_definitions.data", "crunch_alike.scoring"])
def test_each_workspace_finds_its_own_modules(two, allowed, module, word):
    target = import_target(f"workspaces.{word}.{module}:word")
    assert target() == f'["{word}", "later {word}", "{word}"]'
    assert target.__module__ == f"workspaces.{word}.runtime_definitions.data"


def test_nothing_of_a_workspace_is_found_under_its_own_name(two, allowed):
    import_target("workspaces.one.crunch_alike.scoring:word")
    assert "crunch_alike" not in sys.modules
    assert "crunch_alike.scoring" not in sys.modules


def test_a_workspace_that_comes_later_is_found(two, allowed):
    (two / "two").rename(two / "late")
    target = import_target("workspaces.late.crunch_alike.scoring:word")
    assert target() == '["two", "later two", "two"]'


def test_a_module_that_a_workspace_lacks_is_named(two, allowed):
    (two / "one/node/runtime_definitions/data.py").write_text(
        "import runtime_definitions.x"
    )
    with pytest.raises(Exception, match=r"runtime_definitions\.x"):
        import_target("workspaces.one.runtime_definitions.data:word")


def test_a_workspace_that_is_not_there_is_not_found(two, allowed):
    with pytest.raises(Exception, match=r"there is no module workspaces\.three"):
        import_target("workspaces.three.runtime_definitions.data:word")
