"""The rules' page says what holds, in the words of the pack."""

from types import SimpleNamespace

import pytest

from competitions import packs
from competitions.models import Competition
from crunchsite.operator.editing import tell_edited
from crunchsite.site.rule_book import rules_of
from tests.crunchsite.conftest import text

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


def test_the_page_says_what_is_asked_scored_and_ranked(client, world):
    page = text(client.get("/rules?competition=btc-demo"))
    words = packs.words_of("realtime").strip()
    assert words.startswith("Every 15 seconds your model is shown")
    assert words.split(".")[0] in page
    assert '<th scope="row">BTCUSDT-60</th><td>BTCUSDT</td><td>15 min</td>' in page
    assert "predict(subject, resolve_horizon_seconds, step_seconds)" in page
    assert "<dt>Score Recent</dt><dd>24 h<small><code>score_recent</code>" in page
    assert 'href="/rules?competition=btc-demo"' in text(client.get("/"))


def test_an_edit_is_told_in_words_beside_the_field_s_name(client, world):
    fields = ["SCORING_FUNCTION", "score_interval_s", "name"]
    Competition.objects.update(name="Another")
    tell_edited(world.competition, fields=fields, schedules=["BTCUSDT-60"])
    told = (
        "scoring function (SCORING_FUNCTION), score interval (score_interval_s), name, "
        "BTCUSDT-60 changed"
    )
    assert told in text(client.get("/rules?competition=btc-demo"))


def test_an_unknown_competition_is_404(client, world):
    assert client.get("/rules?competition=moon").status_code == 404


def test_the_words_of_a_nodes_own_package_come_first(world, settings, tmp_path):
    (tmp_path / "RULES.md").write_text("# The rules\n\nOne.\n\nTwo.\n\n## What\n\nX\n")
    settings.WORKSPACE = SimpleNamespace(slug="btc-demo", challenge=tmp_path)
    assert rules_of(world.competition)["words"] == ["One.", "Two."]
    settings.WORKSPACE.slug = "another"
    assert rules_of(world.competition)["words"] == [packs.words_of("realtime").strip()]


def test_a_pack_without_words_has_none():
    assert packs.words_of("moon") == ""


def test_the_number_of_statements_is_constant(world, django_assert_num_queries):
    with django_assert_num_queries(2):
        rules_of(world.competition)
