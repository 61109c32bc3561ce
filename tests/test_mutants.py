import importlib
import sys

import pytest

from tests import forks
from tests.mutants import Mutant, first_failure, problems, read_list

CODE = "def double(n):\n    return n + n\n\n\ndef triple(n):\n    return 3 * n\n"
TEST = "from code_ import double\n\n\ndef test_double():\n    assert double(2) == 4\n"


def mutant(original="n + n", changed="n + 1", test="test_code.py::test_double", **more):
    return Mutant("code_.py", original, changed, (test,), **more)


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "code_.py").write_text(CODE)
    (tmp_path / "test_code.py").write_text(TEST)
    return tmp_path


def test_every_entry_of_the_list_fits_the_code_as_it_is():
    assert problems(read_list()) == []


def test_no_change_is_tried_twice():
    changes = [(m.file, m.original, m.changed) for m in read_list()]
    assert len(changes) == len(set(changes))


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (mutant("n - n"), "its original text is there 0 times"),
        (mutant("return"), "its original text is there 2 times"),
        (mutant(changed="n  +  n"), "it changes nothing"),
        (mutant(changed="n +"), "invalid syntax"),
        (mutant(test="test_code.py::test_gone"), "there is no test_code.py::test_gone"),
        (mutant(test="test_gone.py"), "there is no test_gone.py"),
        (Mutant("code_.py", "n + n", "n", ()), "it names no test"),
        (Mutant("gone.py", "n", "m", ("test_code.py",)), "gone.py"),
    ],
)
def test_an_entry_that_no_longer_fits_is_refused(tree, entry, problem):
    found = problems([entry], tree)
    assert len(found) == 1
    assert problem in found[0]


def test_a_change_is_tried_and_taken_back(tree):
    assert problems([mutant()], tree) == []
    assert first_failure(mutant(), tree) == "test_code.py::test_double"
    assert first_failure(mutant(changed="n * 2"), tree) is None
    assert (tree / "code_.py").read_text() == CODE


def test_tests_that_do_not_run_notice_nothing(tree):
    (tree / "test_code.py").write_text("import gone")
    with pytest.raises(RuntimeError, match="its tests do not run"):
        first_failure(mutant(test="test_code.py"), tree)
    assert (tree / "code_.py").read_text() == CODE


LOADED = """
LIMIT = 3

def near(n):
    return n <= LIMIT

class Shop:
    open_at = 9

    @staticmethod
    def is_open(hour, late=2):
        return all(limit <= hour for limit in (Shop.open_at, late))

def adder(n):
    return lambda m: m + n

add_two = adder(2)
"""


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Import the module of a tree, which counts as that of the list."""
    (tmp_path / "loaded_.py").write_text(LOADED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(forks, "ROOT", tmp_path)
    yield lambda: importlib.import_module("loaded_")
    sys.modules.pop("loaded_", None)


@pytest.mark.parametrize(
    ("original", "changed", "outcome"),
    [
        ("n <= LIMIT", "n < LIMIT", (False, True, 5)),
        ("n <= LIMIT", "n <= LIMIT or True", (True, True, 5)),
        ("limit <= hour", "limit > hour", (True, False, 5)),
        ("m + n", "m - n", (True, True, 1)),
    ],
)
def test_changed_code_is_put_under_functions_that_are_loaded(
    loaded, original, changed, outcome
):
    for _ in range(2):  # also of a module that nobody has imported yet
        assert forks.put_under(Mutant("loaded_.py", original, changed, ()))
        module = loaded()
        told = module.near(3), module.Shop.is_open(10), module.add_two(3)
        assert told == outcome
        del sys.modules["loaded_"]
        loaded()
    assert "n <= LIMIT" in (forks.ROOT / "loaded_.py").read_text()


@pytest.mark.parametrize(
    ("original", "changed"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("open_at = 9", "open_at = 8"),
        ("late=2", "late=3"),
        ("    @staticmethod\n", "    @classmethod\n"),
        ("adder(2)", "adder(3)"),
        ("lambda m: m + n", "lambda m: m + 1"),
    ],
)
def test_a_change_that_functions_do_not_show_is_left_to_a_process_of_its_own(
    loaded, original, changed
):
    assert not forks.put_under(Mutant("loaded_.py", original, changed, ()))
