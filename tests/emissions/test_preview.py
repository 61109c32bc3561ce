"""The open period as it would be paid now."""

import pytest
from django.contrib.auth.models import User

from competitions.contract import CrunchConfig, EmissionRule
from competitions.exclusion import exclude
from competitions.slots import wire
from emissions.checkpoints import close_due
from emissions.frac64 import WHOLE
from emissions.models import Checkpoint
from emissions.preview import preview
from scoring.models import Leaderboard
from tests.conftest import NOW
from tests.emissions.conftest import DAY, HOUR, MIDNIGHT, snap
from tests.scoring.factories import make_models


def test_the_open_period_is_ranked_and_nothing_is_made(competition):
    first, second = make_models(competition, *"ab")
    snap(first, MIDNIGHT + HOUR, 1.0)
    snap(second, MIDNIGHT + HOUR, 3.0)
    found = preview(competition)
    assert (found.period.start, found.period.end) == (MIDNIGHT, MIDNIGHT + DAY)
    assert [entry["model_id"] for entry in found.payees.ranking] == ["b", "a"]
    assert found.shares == [625_000_000, 375_000_000]
    assert not found.is_over(NOW)
    assert not Checkpoint.objects.exists()


def test_a_preview_at_the_end_is_what_the_checkpoint_pays(competition):
    for model, value in zip(make_models(competition, *"abc"), (1, 5, 2), strict=True):
        snap(model, MIDNIGHT - HOUR, float(value))
    found = preview(competition)
    assert found.is_over(NOW)
    [made] = close_due(now=NOW)
    assert made.meta["ranking"] == found.payees.ranking
    assert [r["reward_pct"] for r in made.entries[0]["cruncher_rewards"]] == (
        found.shares
    )
    assert preview(competition) is None


def test_without_snapshots_or_emissions_there_is_none(competition):
    assert preview(competition) is None
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT + HOUR, 1.0)
    competition.emission_interval_s = 0
    assert preview(competition) is None


@pytest.mark.parametrize(
    ("config", "shares"),
    [
        ({"emission": EmissionRule(strategy="equal")}, [WHOLE // 2, WHOLE // 2]),
        ({"build_emission": lambda *_, **__: 1 / 0}, None),
    ],
)
def test_an_operators_builder_is_not_called_for_a_preview(
    competition, monkeypatch, config, shares
):
    wiring = wire(CrunchConfig(**config), {})
    monkeypatch.setattr("emissions.preview.shown_wiring", lambda _: wiring)
    for model in make_models(competition, *"ab"):
        snap(model, MIDNIGHT + HOUR, 1.0)
    assert preview(competition).shares == shares


def test_a_preview_is_made_once_for_each_move_of_the_board(competition):
    [model] = make_models(competition, "a")
    snap(model, MIDNIGHT + HOUR, 1.0)
    first = preview(competition)
    assert preview(competition) is first
    Leaderboard.objects.create(
        competition=competition,
        as_of=NOW,
        ranking_key="score_recent",
        ranking_direction="desc",
        created_at=NOW,
    )
    second = preview(competition)
    assert second is not first
    exclude(model=model.pk, reason="it copies b", user=User.objects.create_user("ops"))
    assert preview(competition).payees.ranking == []
