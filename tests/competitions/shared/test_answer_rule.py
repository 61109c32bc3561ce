"""The package's checks say of every answer what the site's types say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from competitions.contract import InferenceOutput
from competitions.packs.trading.trading_contract import PositionTarget
from competitions.shared.answer_rule import OutputFields, as_output, require_size


class Forecast(BaseModel):
    value: float = Field(ge=-5, le=5, allow_inf_nan=False)
    count: int = 1
    side: str | None = None
    is_sure: bool = False


ANSWERS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.sampled_from(["1.5", " 2 ", "x", "", "3", "true", "no"]),
)


def by_type(kind, output):
    try:
        return kind.model_validate(output).model_dump(mode="json")
    except ValidationError:
        return None


def by_schema(kind, output):
    try:
        found = OutputFields(kind.model_json_schema()).coerced(output)
    except ValueError:
        return None
    return {name: found[name] for name in kind.model_fields}


@pytest.mark.parametrize("kind", [InferenceOutput, Forecast])
@given(st.data())
def test_an_answer_fits_here_as_it_does_there(kind, data):
    fields = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(kind.model_fields, ANSWERS)
    )
    output = data.draw(fields)
    assert by_schema(kind, output) == by_type(kind, output)


@pytest.mark.parametrize("signal", [1, "2.5", -1e12, 1e13, None])
def test_bounds_are_those_of_the_type(signal):
    found = by_schema(PositionTarget, {"signal": signal, "value": 0.0})
    expected = by_type(PositionTarget, {"signal": signal})
    assert (found is None) == (expected is None)
    if found:
        assert found["signal"] == expected["signal"]


def test_a_scalar_is_the_first_field_and_a_stranger_is_refused():
    assert as_output(2.0, ["value", "count"]) == {"value": 2.0}
    with pytest.raises(ValueError, match="one of \\['value'\\] is needed"):
        as_output({"Value": 1.0}, ["value"])


def test_what_cannot_be_stored_is_refused():
    require_size({"value": 1.0}, 64)
    with pytest.raises(ValueError, match="has 73 bytes; at most 64"):
        require_size({"note": "x" * 62}, 64)
    with pytest.raises(ValueError, match="JSON"):
        require_size({"value": float("nan")}, 64)


NUMBERS = st.dictionaries(
    st.sampled_from(["value", "a", "note\x1f"]),
    st.floats() | st.integers() | st.booleans(),
    max_size=3,
)


@pytest.mark.parametrize("kind", [InferenceOutput, Forecast])
@given(output=NUMBERS, largest_bytes=st.integers(2, 2000))
def test_an_answer_that_is_accepted_at_once_passes_every_check(
    kind, output, largest_bytes
):
    fields = OutputFields(kind.model_json_schema())
    if fields.accept(output, largest_bytes):
        assert fields.coerced(as_output(output, fields.names)) == output
        require_size(output, largest_bytes)
        assert len(json.dumps(output)) <= largest_bytes
    plain = {"value": 0.5, "b": -1e300}
    assert fields.accept(plain, 2000) == (kind is InferenceOutput)
