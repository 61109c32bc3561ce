"""Answers and specs: what is read, merged and refused."""

import json

import pytest

from competitions import packs
from competitions.scaffold.answers import lay_over, parse_answers, read_file, with_pack
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.gate import undecided


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"name": "btc"}'),
        ("a.yml", "name: btc\n"),
        ("a.yaml", "# a comment\nname: btc\n"),
    ],
)
def test_json_and_yaml_are_read(tmp_path, name, text):
    assert read_file(write(tmp_path, name, text)) == {"name": "btc"}


def test_an_empty_yaml_file_has_no_answers(tmp_path):
    assert read_file(write(tmp_path, "a.yml", "")) == {}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.txt", "name: btc", "neither .json nor .yml"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "[]", "no mapping"),
        ("a.yml", "- btc", "no mapping"),
        ("a.yml", "name: [btc", "is no YAML in line"),
        ("a.yml", "1: btc", None),
        ("a.yml", "a: &x [*x]", r"has an alias \(\*\)"),
        ("a.yml", "a: &x 1\nb: *x", r"has an alias \(\*\)"),
        ("a.yml", "a: 2026-01-01", "is no YAML"),
        ("a.yml", "a: .nan", "is not JSON"),
        ("a.yml", b"\xff\xfe\x00", "is no YAML"),
        ("a.yml", "a: !!python/object/apply:os.system [ls]", "is no YAML"),
        ("a.json", '{"a": ' * 5000, "nested deeper|may hold more|is not JSON"),
        ("a.yml", "x: " + "[" * 3000, "is no YAML|nested deeper"),
        ("a.yml", "a: " + "b" * 1_000_000, "has more than"),
    ],
)
def test_what_is_no_file_of_answers_is_refused_by_name(tmp_path, name, text, problem):
    path = write(tmp_path, name, text)
    if problem is None:  # JSON makes texts of YAML's other keys
        assert read_file(path) == {"1": "btc"}
        return
    with pytest.raises(ScaffoldError, match=problem):
        read_file(path)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(ScaffoldError, match="No such file"):
        read_file(tmp_path / "a.json")


@pytest.mark.parametrize("version", [None, "2", 1])
def test_a_spec_says_its_version(tmp_path, version):
    path = write(tmp_path, "a.json", json.dumps({"spec_version": version}))
    with pytest.raises(ScaffoldError, match='write "1"'):
        read_file(path, is_spec=True)
    good = write(tmp_path, "b.json", '{"spec_version": "1"}')
    assert read_file(good, is_spec=True) == {"spec_version": "1"}


def test_a_spec_wins_and_mappings_are_merged():
    answers = {"name": "a", "callables": {"X": "1", "Y": "2"}, "metrics": ["ic"]}
    spec = {"callables": {"Y": "3"}, "metrics": []}
    assert lay_over(answers, spec) == {
        "name": "a",
        "callables": {"X": "1", "Y": "3"},
        "metrics": [],
    }
    assert answers["callables"] == {"X": "1", "Y": "2"}


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({"naem": "btc"}, "did you mean name?"),
        ({"wibble": 1}, "there is no answer 'wibble'"),
        ({"checkpoint_interval_seconds": 0}, "checkpoint_interval_seconds"),
        ({"checkpoint_interval_seconds": "60"}, "checkpoint_interval_seconds"),
        ({"checkpoint_interval_seconds": True}, "checkpoint_interval_seconds"),
        ({"callables": {"SCORING_FUNCTIONS": "a:b"}}, "did you mean SCORING_FUNCTION?"),
        ({"callables": {"X": "a:b"}}, "they are INFERENCE_INPUT_BUILDER"),
        ({"callables": {"SCORING_FUNCTION": "a.b"}}, "package.module:callable"),
        ({"callables": {"SCORING_FUNCTION": "../a:b"}}, "package.module:callable"),
        ({"callables": {"SCORING_FUNCTION": "scoring.cycle:run"}}, "the engine's own"),
        ({"layout": "fat"}, "layout"),
        ({"model_base_classname": "Tracker"}, "model_base_classname"),
        ({"scheduled_prediction_configs": [{"scope_key": "a"}]}, "schedule"),
        ({"scheduled_prediction_configs": {}}, "scheduled_prediction_configs"),
    ],
)
def test_an_answer_that_does_not_do_is_named(found, problem):
    with pytest.raises(ScaffoldError) as refusal:
        parse_answers(found)
    assert problem in str(refusal.value)


def test_a_packs_proposals_fill_what_was_not_answered():
    pack = packs.load("realtime")
    answers = with_pack(parse_answers({"name": "btc"}), pack)
    assert answers.checkpoint_interval_seconds == 15
    assert answers.crunch_id == "btc"
    assert answers.model_base_classname == "tracker.TrackerBase"
    assert [s.scope_key for s in answers.scheduled_prediction_configs] == [
        "realtime-btc"
    ]
    assert undecided(answers) == []
    said = with_pack(
        parse_answers({"name": "btc", "checkpoint_interval_seconds": 7}), pack
    )
    assert said.checkpoint_interval_seconds == 7


def test_what_was_answered_with_null_stays_undecided():
    answers = parse_answers(
        {
            "name": "btc",
            "model_base_classname": None,
            "checkpoint_interval_rationale": None,
            "scheduled_prediction_configs": [],
            "callables": {"SCORING_FUNCTION": None, "RAW_INPUT_PROVIDER": None},
        }
    )
    assert undecided(with_pack(answers, packs.load("baseline"))) == [
        "Model interface: model_base_classname",
        "Inference input: callables.RAW_INPUT_PROVIDER",
        "Scoring function: callables.SCORING_FUNCTION",
        "Checkpoint interval: checkpoint_interval_rationale",
        "Schedule: scheduled_prediction_configs",
    ]
