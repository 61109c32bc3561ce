"""The examples answer, and a backtest of each is scored and repeatable."""

from importlib import import_module
from pathlib import Path

import pytest

from {{ package }}.checks import check_model

EXAMPLES = sorted(
    (Path(import_module("{{ package }}").__file__).parent / "examples").glob(
        "*_tracker.py"
    )
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_answers_every_round_and_alike(path):
    found = check_model(path)
    answered, _, asked = found["answers"].partition(" of ")
    assert answered == asked
    assert int(asked) > 50
    assert found["is_repeatable"]
