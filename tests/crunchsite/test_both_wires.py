"""A model receives and may answer the same over `check`'s pipes and the site's gRPC."""

import importlib
import math
from types import SimpleNamespace

import pytest

from competitions.contract import CrunchConfig
from competitions.gateway.errors import ArgumentError
from competitions.gateway.types import Argument, Call
from competitions.rounds.check_answers import check_answer
from competitions.shared.question_rule import call_arguments
from competitions.slots import wire
from tests.competitions.gateway.conftest import Stage, ask, wait_live
from tests.participants import imported, lay_out

# It answers what `predict` is asked for, by its number; or says what it got.
MODEL = """
import collections, decimal, enum
import numpy
from tracker import TrackerBase

def nested(levels, leaf=1):
    for _ in range(levels):
        leaf = [leaf]
    return leaf

class Colour(enum.IntEnum):
    RED = 1

class Text(str):
    pass

ANSWERS = [{answers}]

class Mine(TrackerBase):
    fed = None

    def feed_update(self, data):
        self.fed = data

    def predict(self, *arguments):
        if isinstance(arguments[0], int):
            return ANSWERS[arguments[0]]()
        seen = [*arguments, self.fed]
        return {{"value": 1.0, "seen": [[type(x).__name__, repr(x)] for x in seen]}}
"""
# Python that a model answers. Which of them count is decided below, by neither wire.
TAKEN = (
    *("1.5", "2", "True", "-0.0", "5e-324", "1e22", "'0.5'", "numpy.float64(0.5)"),
    *("-(2**63)", "2**63 - 1", "Colour.RED", "Text('7')", "{'value': 1}"),
    *("{'value': 0.25, 'more': [1, None, 'é', {'b': 2, 'a': True}]}",),
    *("{'value': 0.25, 1: 2, None: 3, True: 4}", "{'value': 1.0, 'pair': (1, 2)}"),
    *("collections.OrderedDict(value=0.5)", "{'value': 1.0, 'big': 2**70}"),
    *("{'value': 1.0, 'deep': nested(31)}", "{'value': 1.0, 'long': 'x' * 16000}"),
    "{'value': 1.0, 'text': '\\\\u0000 as text'}",
)
REFUSED = (
    *("None", "''", "'up'", "[]", "[1.0]", "{}", "{'mood': 1.0}", "{'value': None}"),
    *("b'bytes'", "(1.0,)", "{1.0}", "object", "2**63", "10**400", "1j"),
    *("float('nan')", "float('inf')", "{'value': float('nan')}", "'nan'"),
    *("numpy.float32(1)", "numpy.int64(1)", "numpy.bool_(True)", "numpy.array([1.0])"),
    *("decimal.Decimal(1)", "{'value': numpy.float32(1)}", "{'value': 1.0, 'b': b'x'}"),
    *("{'value': 1.0, (1, 2): 3}", "{'value': 1.0, 'x': float('-inf')}"),
    *("{'value': 1.0, 'deep': nested(32)}", "nested(99_999)", "{'value': 1e999}"),
    *("{'value': 1.0, 'nul': '\\0'}", "{'value': 1.0, '\\0': 1}"),
    "{'value': 1.0, '\\0': 1.0}",
    *("{'value': 1.0, 'half': '\\ud800'}", "'x' * 2**15"),
    "{'value': 1.0, 'long': 'x' * 2**15}",
)
ANSWERS = [*TAKEN, *REFUSED]
FED = {
    "symbol": "BTC",
    "asof_ts": 1_772_452_800,
    "candles_1m": [{"z": 0.1, "a": 1e-7, "n": None, "on": True, "t": "é\0\u2028"}],
    "1": [[], {}, "", 2**70, -0.0, 5e-324],
}
# Values of a scope, each under the types that a contract may give it.
SCOPE = {
    "STRING": ["BTC", "", "é\0\u2028 #", 7, 2.5, True, None],
    "INT": [0, -(2**63), 2**63 - 1, True, "12", 3.9],
    "FLOAT": [0, 0.1, -0.0, 1e308, 5e-324, "1e-7", math.nan, math.inf],
    "DOUBLE": [2**53 + 1, 1e22],
    "JSON": [None, True, 1, 2**70, 0.1, "é\0", [], {"b": [1, {"a": None}], "1": 2}],
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """`both.site(args)` and `both.check(args)`: outcome, and output or text."""
    folder = tmp_path_factory.mktemp("wires")
    source = MODEL.format(answers=", ".join(f"lambda: {a}" for a in ANSWERS))
    path = folder / "main.py"
    path.write_text(source)
    config = CrunchConfig()
    wiring = wire(config, {})
    stage = Stage(folder)
    try:
        with imported(lay_out(folder, "baseline", name="desk")) as package:
            get = lambda name: importlib.import_module(f"{package.__name__}.{name}")  # noqa: E731
            rules = get("config").rules()
            check = get("asking").AnswerCheck(rules).checked
            failure = get("model_files").ModelFailure
            stage.add("mine", source)
            gateway = stage.gateway()
            wait_live(gateway, "mine")
            with get("model_process").ModelProcess(path, rules, 60.0) as process:
                process.set_up()

                def by_site(*arguments):
                    question = Call(
                        "predict",
                        tuple(Argument(*each) for each in arguments),
                        largest_answer_bytes=config.max_output_bytes,
                    )
                    feed = Call("feed_update", (Argument("JSON", FED),))
                    found = ask(gateway, ["mine"], feed=feed, question=question)["mine"]
                    found = check_answer(found, wiring)
                    if found.outcome == "ANSWERED":
                        return True, found.result
                    return False, found.reason

                def by_check(*arguments):
                    process.call("feed_update", [FED])
                    try:
                        answer = process.call("predict", [x for _, x in arguments])
                    except failure as error:
                        return False, str(error)
                    try:
                        return True, check(answer)
                    except ValueError as error:
                        return False, f"invalid output: {error}"

                yield SimpleNamespace(site=by_site, check=by_check)
    finally:
        stage.close()


def as_cast(kind, value):
    """A value of a scope as both wires are given it."""
    (cast,) = call_arguments([("x", kind)], {"x": value})
    return kind, cast


@pytest.mark.parametrize("kind", SCOPE)
def test_what_a_model_receives_has_the_same_types_values_and_order(both, kind):
    given = [as_cast(kind, value) for value in SCOPE[kind]]
    asked = [("STRING", "tell"), *given]
    is_taken, told = both.site(*asked)
    assert is_taken, told
    assert both.check(*asked) == (True, told)
    seen = told["seen"]
    assert seen == [[type(x).__name__, repr(x)] for _, x in asked] + [
        ["dict", repr(FED)]
    ]


@pytest.mark.parametrize("number", range(len(ANSWERS)), ids=ANSWERS)
def test_what_is_taken_of_a_models_answer_is_the_same(both, number):
    by_site = both.site(("INT", number))
    by_check = both.check(("INT", number))
    assert by_site[0] is (number < len(TAKEN)), by_site
    assert by_check[0] is by_site[0], (by_site, by_check)
    if by_site[0]:
        # A database knows no negative zero, and only the package goes without one.
        assert repr(by_check[1]) == repr(by_site[1]).replace("-0.0", "0.0")


def test_the_site_sends_no_nan_within_json(both):
    with pytest.raises(ArgumentError, match="Out of range float values"):
        both.site(("JSON", math.nan))
