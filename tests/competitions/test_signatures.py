"""What passes the check can be called, and what cannot is refused in words."""

from functools import partial

import pytest

from competitions.contract import CrunchConfig, EnsembleConfig
from competitions.errors import SlotError
from competitions.signatures import check_names, takes
from competitions.slots import SLOTS, wire


def by_name(*, raw_input):
    return raw_input


def star(*raw_input):
    return raw_input


def half(raw_input, *, budget):
    return raw_input


def hidden_context(raw_input, context=None, /):
    return raw_input


async def later(raw_input):
    return raw_input


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (by_name, "'raw_input' must be taken by position"),
        (star, "'raw_input' must be taken by position"),
        (half, "extra parameter 'budget' needs a default"),
        (hidden_context, "'context' must be taken by name"),
        (later, "is async; give a plain function"),
        (dict, "whose parameters cannot be read"),
        (lambda: 1, r"must begin with \(raw_input\)"),
        (5, "is not callable"),
    ],
)
def test_what_could_not_be_called_is_refused(target, said):
    with pytest.raises(SlotError, match=said):
        check_names(target, "INFERENCE_INPUT_BUILDER", "own:f", ("raw_input",))


@pytest.mark.parametrize(
    "target",
    [
        lambda raw_input: raw_input,
        lambda raw_input, /: raw_input,
        lambda raw_input, *, context=None: raw_input,
        lambda raw_input, *more, **named: raw_input,
        partial(lambda raw_input, budget: raw_input, budget=3),
    ],
)
def test_what_can_be_called_passes(target):
    check_names(target, "INFERENCE_INPUT_BUILDER", "own:f", ("raw_input",))
    assert target({"a": 1}) == {"a": 1}


@pytest.mark.parametrize("slot", SLOTS)
def test_no_slot_takes_its_parameters_by_name_alone(slot):
    names = SLOTS[slot]
    good = eval(f"lambda {', '.join(names)}: None")
    check_names(good, slot, "own:f", names)
    if names:
        bad = eval(f"lambda *, {', '.join(names)}: None")
        with pytest.raises(SlotError, match="by position"):
            check_names(bad, slot, "own:f", names)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"batch_scoring_function": lambda rows: rows}, "it must take 2 arguments"),
        ({"resolve_ground_truth": lambda: None}, "it must take 1 or 2 arguments"),
        ({"resolve_ground_truth": lambda *, records: None}, "1 or 2 arguments"),
        ({"aggregate_snapshot": lambda a, b: None}, "it must take 1 argument by"),
        ({"build_emission": lambda ranking: None}, "crunch_pubkey, .* by name"),
        ({"scoring_function": lambda *, prediction, ground_truth: 1}, "by position"),
        (
            {"ensembles": (EnsembleConfig(name="e", strategy=lambda metrics: {}),)},
            "ensemble e was .* it must take 2 arguments",
        ),
        (
            {
                "ensembles": (
                    EnsembleConfig(name="e", model_filter=lambda *, model_id: True),
                )
            },
            "ensemble e was .* it must take 2 arguments",
        ),
    ],
)
def test_a_callable_of_the_contract_that_cannot_be_called_is_refused(attributes, said):
    with pytest.raises(SlotError, match=said):
        wire(CrunchConfig(**attributes), {})


def test_a_resolver_with_an_option_by_name_takes_one_argument():
    assert not takes(lambda records, *, verbose=False: None, 2)
    assert takes(lambda records, prediction=None: None, 2)
    assert takes(lambda *records: None, 2)


@pytest.mark.parametrize("slots", [["SCORING_FUNCTION"], {"SCORING_FUNCTION": 5}])
def test_slots_that_are_no_paths_are_refused(slots):
    with pytest.raises(SlotError):
        wire(CrunchConfig(), slots)
