"""The first of a pydantic error's problems, in words."""

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError, model_validator

from core.misfits import first_misfit, told_to_author


class Leg(BaseModel):
    price: float


class Legs(BaseModel):
    legs: list[Leg]

    @model_validator(mode="after")
    def refuse_none(self):
        if not self.legs:
            raise ValueError("there are no legs")
        return self


def misfit(kind, value, **options):
    with pytest.raises(ValidationError) as error:
        TypeAdapter(kind).validate_python(value)
    return first_misfit(error.value, **options)


def test_the_place_is_a_path_of_names_and_indexes():
    found = misfit(Legs, {"legs": [{"price": 1}, {"price": "x"}, {"price": "y"}]})
    assert (found.place, found.found) == ("legs.1.price", "x")
    assert str(found).startswith("legs.1.price: Input should be a valid number")


def test_a_problem_of_the_whole_has_no_place():
    assert str(misfit(Legs, {"legs": []})) == "Value error, there are no legs"


def test_the_first_steps_of_a_place_can_be_left_out():
    assert misfit(list[Leg], [{"price": "x"}], below=1).place == "price"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            {"legs": [{"price": 1}, {"price": "x"}]},
            "legs (number 2).price was 'x': input should be a valid number",
        ),
        ({"legs": [{}]}, "legs (number 1).price is missing"),
        ({"legs": []}, "there are no legs"),
    ],
)
def test_who_wrote_a_document_is_told_the_value_and_counts_from_one(value, told):
    with pytest.raises(ValidationError) as error:
        Legs.model_validate(value)
    assert told_to_author(error.value).partition(",")[0] == told.partition(",")[0]
