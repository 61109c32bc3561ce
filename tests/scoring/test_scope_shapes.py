"""Competitions whose scopes have nothing in common run side by side and read alike."""

from datetime import timedelta

import pytest
from django.core.management import call_command

from competitions import grid_dispatch, lifecycle
from competitions.contract import CallMethod, CrunchConfig
from competitions.models import Competition, ParticipantModel, Prediction, Round
from competitions.rounds.perform import perform_waiting
from scoring.cycle import run_cycle
from tests.competitions.conftest import AnsweringGateway
from tests.conftest import NOW
from tests.scoring.factories import put_candles

MINUTE = timedelta(minutes=1)


def asked_with(*names):
    arguments = tuple({"name": name, "type": "JSON"} for name in names)
    return CrunchConfig(call_method=CallMethod(args=arguments))


price = asked_with("asset", "horizon")
sentiment = asked_with("corpus", "window")
portfolio = asked_with("universe", "rebalance")

SCOPES = {
    "price": {"asset": "BTCUSDT", "horizon": 60},
    "sentiment": {"corpus": "headlines", "window": {"hours": 6}},
    "portfolio": {"universe": ["BTCUSDT", "ETHUSDT"], "rebalance": "weekly"},
}


@pytest.fixture
def worlds(db, tape, frozen_clock, at):
    """Each shape's competition, asked about two scopes at NOW and a minute later."""
    put_candles(NOW - 30 * MINUTE, [100.0 + i for i in range(35)])
    for slug, scope in SCOPES.items():
        made = lifecycle.create_competition(
            slug=slug, pack_name="baseline", config_path=f"{__name__}:{slug}"
        )
        first = made.scheduled_predictions.get()
        first.scope_key, first.scope_template = f"{slug}-a", scope
        first.save()
        first.pk, first.scope_key, first.order = None, f"{slug}-b", 1
        first.save()
        lifecycle.activate(competition_id=made.pk)
    calls = {}
    for now in (NOW, NOW + MINUTE):
        with at(now):
            for competition in Competition.objects.all():
                gateway = AnsweringGateway({"m1": 1.0, "m2": -1.0})
                grid_dispatch.predict_now(competition_id=competition.pk)
                assert (
                    perform_waiting(competition_id=competition.pk, gateway=gateway) == 2
                )
                calls[competition.slug] = gateway.asked[0][1]
    with at(NOW + 3 * MINUTE):
        for competition in Competition.objects.all():
            assert run_cycle(competition_id=competition.pk).scored == 8
        yield calls


def test_no_shape_needs_a_migration(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("slug", SCOPES)
def test_models_are_asked_with_their_scope(worlds, slug):
    assert [a.value for a in worlds[slug].args] == list(SCOPES[slug].values())
    for round_ in Round.objects.filter(competition__slug=slug):
        assert round_.scope.items() >= SCOPES[slug].items()
        assert round_.status == "RESOLVED"


@pytest.mark.parametrize("slug", SCOPES)
def test_the_same_questions_have_the_same_answers_of_every_shape(worlds, client, slug):
    def rows(**query):
        response = client.get("/reports/predictions", {"competition": slug, **query})
        assert response.status_code == 200
        return [
            (
                row["performed_at"][11:19],
                row["scope_key"].removeprefix(f"{slug}-"),
                row["model_id"],
                row["score_value"] > 0,
            )
            for row in response.json()
            if row["scope"].items() >= SCOPES[slug].items()
        ]

    everything = [
        (at, scope, model, model == "m1")
        for at in ("12:00:00", "12:01:00")
        for scope in "ab"
        for model in ("m1", "m2")
    ]
    assert sorted(rows()) == everything
    assert sorted(rows(projectIds="m2")) == [x for x in everything if x[2] == "m2"]
    assert sorted(rows(scope_key=f"{slug}-b")) == [x for x in everything if x[1] == "b"]
    assert rows(scope_key="no-such-scope") == []
    late = rows(start="2026-03-02T12:00:01Z", end="2026-03-02T12:01:01Z")
    assert sorted(late) == everything[4:]
    alone = rows(projectIds="m1", scope_key=f"{slug}-a", end="2026-03-02T12:01:00Z")
    assert alone == everything[:1]


@pytest.mark.parametrize("slug", SCOPES)
def test_the_helpers_of_the_query_are_half_open_and_go_together(worlds, slug):
    of = Prediction.objects.filter(round__competition__slug=slug)
    models = ParticipantModel.objects.filter(competition__slug=slug)
    assert of.for_models(models).count() == 8
    assert of.for_models([]).count() == 0
    assert of.between(NOW, NOW + MINUTE).count() == 4
    assert of.in_scope(f"{slug}-a").count() == 4
    one = of.for_models(models[:1]).between(NOW, NOW + MINUTE).in_scope(f"{slug}-b")
    assert one.count() == 1
