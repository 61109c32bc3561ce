import pytest

from competitions import slots
from competitions.contract import CrunchConfig
from competitions.errors import SlotError
from tests.competitions import own_callables as callables

HERE = "tests.competitions.own_callables"


def test_there_are_ten_slots_and_the_engine_fills_them_all():
    wiring = slots.wire(CrunchConfig(), {})
    assert len(slots.SLOTS) == 10
    assert all(wiring.is_default(slot) for slot in slots.SLOTS)


def test_a_path_replaces_the_engines_callable():
    wiring = slots.wire(
        CrunchConfig(), {"INFERENCE_INPUT_BUILDER": f"{HERE}:build_input"}
    )
    assert wiring.call("INFERENCE_INPUT_BUILDER", {"a": 1}) == {"a": 1, "built": True}
    assert not wiring.is_default("INFERENCE_INPUT_BUILDER")


def test_the_contracts_scorer_beats_the_engines_and_a_path_beats_both():
    from tests.competitions.own_callables import double_score, instance

    assert slots.wire(instance, {})["SCORING_FUNCTION"] is double_score
    engine = {"SCORING_FUNCTION": slots.default_path("SCORING_FUNCTION")}
    assert slots.wire(instance, engine)["SCORING_FUNCTION"] is double_score
    own = {"SCORING_FUNCTION": f"{HERE}:double_score"}
    assert slots.wire(CrunchConfig(), own)["SCORING_FUNCTION"] is double_score


def test_an_explicit_scorer_beats_the_contracts_batch_scorer(settings):
    batch = CrunchConfig(
        scoring_function=callables.double_score,
        batch_scoring_function=lambda predictions, ground_truth: predictions["value"],
    )
    engines = {"SCORING_FUNCTION": slots.default_path("SCORING_FUNCTION")}
    for unsaid in ({}, engines):
        assert slots.wire(batch, unsaid).config.batch_scoring_function is not None

    own = {"SCORING_FUNCTION": f"{HERE}:double_score"}
    assert slots.wire(batch, own).config.batch_scoring_function is None
    settings.ENV = settings.ENV.model_copy(
        update={"scoring_function": f"{HERE}:double_score"}
    )
    assert slots.wire(batch, {}).config.batch_scoring_function is None
    assert batch.batch_scoring_function is not None


@pytest.mark.parametrize("slot", slots.SLOTS)
def test_the_environment_fills_a_slot_without_a_code_edit(slot, monkeypatch, settings):
    path = f"tests.competitions.own_callables:any_{slot.lower()}"
    monkeypatch.setenv(slot, path)
    settings.ENV = type(settings.ENV)()
    wiring = slots.wire(CrunchConfig(), {})
    assert wiring.paths[slot] == path
    assert not wiring.is_default(slot)
    assert sum(not wiring.is_default(other) for other in slots.SLOTS) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no-colon", "give module.path:callable"),
        (":half", "give module.path:callable"),
        ("nowhere_at_all:x", "'nowhere_at_all' is in none of the packages"),
        (f"{HERE}:missing", "has no missing"),
        (f"{HERE}:not_callable", "is not callable"),
        (f"{HERE}:wrong_name", r"must begin with \(raw_input\)"),
        (f"{HERE}:greedy", "extra parameter 'budget' needs a default"),
    ],
)
def test_a_bad_path_is_refused_with_slot_path_and_cause(path, message):
    with pytest.raises(SlotError, match=message) as caught:
        slots.resolve(path, "INFERENCE_INPUT_BUILDER")
    assert "INFERENCE_INPUT_BUILDER was" in str(caught.value)


def test_an_extra_parameter_with_a_default_is_welcome():
    assert slots.resolve(f"{HERE}:with_default", "INFERENCE_INPUT_BUILDER")


def test_an_unknown_slot_lists_the_known_ones():
    with pytest.raises(SlotError, match=r"slot was 'SCORER'; the slots are .*SCORING"):
        slots.wire(CrunchConfig(), {"SCORER": "a:b"})
