"""A round is made again from what is stored; what does not fit is named."""

import json
from datetime import timedelta

import pytest
from django.db import transaction

from competitions.gateway.types import ModelAnswer
from competitions.models import Prediction, Round
from competitions.rounds.round_leaves import AskedRound, log_rounds
from competitions.rules_version import rules_version
from competitions.tournament.opening import open_round
from competitions.tournament.round_ends import give_truths
from competitions.wiring import wiring_of
from crunchsite.coordinator import cli
from scoring.cycle import run_cycle
from scoring.models import Score
from scoring.replaying import NothingToReplayError, replay
from tests.competitions.tournament.conftest import SampleGateway, ask_all, features
from tests.conftest import NOW
from tests.scoring.conftest import ask
from tests.scoring.factories import make_models, make_round

PARTS = ["input", "call", "outputs", "truth", "scores"]


@pytest.fixture
def scored(competition):
    """A round of two models that was asked as the engine asks, and is scored."""
    models = make_models(competition, "one", "two")
    first, *_ = ask(competition, models, signal=lambda model, i: len(model.model_id))
    call = next(part for part in replay(first).parts if part.name == "call")
    Round.objects.filter(competition=competition).update(scope=call.rebuilt["scope"])
    run_cycle(competition_id=competition.pk)
    first.refresh_from_db()
    assert first.status == "RESOLVED"
    return first


def differing(round_):
    found = replay(Round.objects.get(pk=round_.pk))
    return [part.name for part in found.parts if not part.is_same]


def test_nothing_differs_and_nothing_is_written(scored, django_assert_max_num_queries):
    with django_assert_max_num_queries(25):
        found = replay(scored)
    assert [part.name for part in found.parts] == PARTS
    assert found.is_same
    assert found.stored == found.rebuilt
    assert found.notes == ["the log has no entry of it"]


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        (
            lambda r: Round.objects.filter(pk=r.pk).update(model_input={"x": 1}),
            ["input"],
        ),
        (lambda r: Round.objects.filter(pk=r.pk).update(scope_key="other"), ["call"]),
        (
            lambda r: Round.objects.filter(pk=r.pk).update(
                actuals={**r.actuals, "actual_return": 0.5}
            ),
            ["truth"],
        ),
        (
            lambda r: Score.objects.filter(prediction__round=r).update(value=9.0),
            ["scores"],
        ),
        (
            lambda r: Prediction.objects.filter(round=r, model__model_id="one").update(
                output={"value": 7.0}
            ),
            ["scores"],
        ),
        (
            lambda r: Prediction.objects.filter(round=r, model__model_id="one").update(
                output={"value": "high"}
            ),
            ["outputs", "scores"],
        ),
    ],
)
def test_an_edited_row_is_found_in_its_part(scored, edit, parts):
    edit(scored)
    assert differing(scored) == parts


def test_the_log_tells_what_the_rows_no_longer_say(scored):
    answers = [
        ModelAnswer(model_id=p.model.model_id, outcome="ANSWERED", result=p.output)
        for p in scored.predictions.select_related("model")
    ]
    wiring = wiring_of(scored.competition)
    rules = rules_version(scored.competition, wiring).digest
    asked = AskedRound(
        pk=scored.pk,
        scope_key=scored.scope_key,
        scope=scored.scope,
        slot_at=scored.slot_at,
        asked_at=scored.performed_at,
        resolvable_at=scored.resolvable_at,
        shown=scored.raw_data,
        answers=answers,
    )
    with transaction.atomic():
        log_rounds(scored.competition, [asked], rules=rules)
    found = replay(scored)
    assert (found.is_same, found.notes) == (True, [])
    Prediction.objects.filter(round=scored).update(reason="edited")
    assert differing(scored) == ["log"]


def test_a_posted_sample_has_no_question_and_the_truth_that_was_posted(competition):
    round_ = open_round(competition=competition, round_id="r1", features=features(2))
    ask_all(competition, SampleGateway({"right": float}))
    round_.refresh_from_db()
    posted = [{"actual_return": float(i)} for i in range(2)]
    give_truths(round_=round_, truths=posted)
    run_cycle(competition_id=competition.pk)
    sample = Round.objects.filter(tournament=round_).latest("sample")
    found = replay(sample)
    assert [part.name for part in found.parts] == ["outputs", "truth", "scores", "log"]
    assert found.is_same, found.parts
    Round.objects.filter(pk=sample.pk).update(raw_data={"x": 9})
    assert differing(sample) == ["log"]


def test_a_round_that_waits_has_neither_truth_nor_scores(competition):
    (model,) = make_models(competition, "one")
    round_ = make_round(competition, NOW, {model: 1.0})
    found = replay(round_)
    assert [part.name for part in found.parts] == PARTS[:3]
    assert found.notes[0].startswith("it is RECEIVED")


def test_a_round_whose_models_were_not_asked_is_refused(competition):
    (model,) = make_models(competition, "one")
    round_ = make_round(competition, NOW, {model: None})
    Round.objects.update(
        performed_at=None,
        resolvable_at=None,
        status="MISSED",
        reason="no worker was up",
    )
    round_.refresh_from_db()
    with pytest.raises(NothingToReplayError, match="no worker"):
        replay(round_)


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main(["replay", *map(str, arguments)])
    return left.value.code or 0


def test_the_command_prints_both_digests(scored, capsys):
    slot = f"{scored.slot_at:%Y-%m-%dT%H:%M:%SZ}"
    assert run(slot) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:6]] == [["OK", p] for p in PARTS]
    assert lines[6].split()[1] == lines[7].split()[1] == replay(scored).stored
    Score.objects.filter(prediction__round=scored).update(value=9.0)
    assert run(slot, "--json") == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["is_same"] is False
    assert row["stored"] != row["rebuilt"]
    (scores,) = [part for part in row["parts"] if part["name"] == "scores"]
    assert scores["differences"][0].startswith("~ one.value: 9.0 -> ")


def test_a_slot_without_a_round_names_the_nearest(scored, capsys):
    between = scored.slot_at + timedelta(seconds=7)
    assert run(f"{between:%Y-%m-%dT%H:%M:%SZ}") == 2
    said = capsys.readouterr().err
    assert f"The nearest is {scored.slot_at:%Y-%m-%dT%H:%M:%SZ}." in said
    assert run("soon") == 2
