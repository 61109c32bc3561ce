"""The examples answer in the form that the contract asks for.

Rounds of this competition are not on the tape of candles, so `backtest` has no days.
"""

from importlib import import_module

import pytest

EXAMPLES = {
    "glad_words": "GladWords",
    "sad_words": "SadWords",
    "short_first": "ShortFirst",
}
TEXTS = [{"id": "a", "text": "Our team won."}, {"id": "b", "text": "Awful, cold soup."}]


@pytest.mark.parametrize(("name", "kind"), EXAMPLES.items())
def test_an_example_names_each_text_once(name, kind):
    module = import_module(f"{{ package }}.examples.{name}_tracker")
    assert getattr(module, kind)().predict(TEXTS) == {"order": ["a", "b"]}
