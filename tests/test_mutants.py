import pytest

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
