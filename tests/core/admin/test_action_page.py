"""The page of an act, through the real pages that are made of it."""

import pytest
from django.urls import reverse

from core.errors import OperatorError
from crunchsite.operator import actions
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


@pytest.fixture
def world(frozen_clock):
    return factories.running_competition(at=frozen_clock, models=2, hours=1)


@pytest.fixture
def urls(world):
    return {
        "Pause": reverse("admin:competition-act", args=[world.competition.pk, "pause"]),
        "Correct transaction": reverse(
            "admin:checkpoint-transaction", args=[world.checkpoints[0].pk]
        ),
        "Add a local model": reverse("admin:local-model-add"),
    }


@pytest.fixture
def page(admin_client):
    return lambda url, **post: (
        admin_client.post(url, post) if post else admin_client.get(url)
    ).content.decode()


def test_the_button_names_the_act_and_the_fields_have_labels(urls, page):
    for heading, url in urls.items():
        shown = page(url)
        assert f'<button type="submit">{heading}</button>' in shown
        assert '<label for="id_reason">Reason</label>' in shown
        assert "What will happen" in shown


def test_a_file_is_sent_as_one(urls, page):
    assert 'enctype="multipart/form-data"' in page(urls["Add a local model"])
    assert "multipart" not in page(urls["Pause"])


def test_a_refusal_is_told_and_what_was_typed_stays(urls, page, monkeypatch):
    def refuse(**_):
        raise OperatorError("it rests; try later")

    monkeypatch.setattr("crunchsite.operator.act_pages.press", refuse)
    shown = page(urls["Pause"], reason="for the night")
    assert "it rests; try later" in shown
    assert 'value="for the night"' in shown


def test_a_broker_that_is_away_is_said_and_nothing_is_noted(urls, page, monkeypatch):
    def fail(*_, **__):
        raise actions.OperationalError("connection refused")

    monkeypatch.setattr("crunchsite.operator.actions.audit.note", fail)
    monkeypatch.setitem(
        actions.ACTIONS,
        "pause",
        actions.Action(
            "Pause", "competitions.pause_competition", lambda _: ["It rests."], fail
        ),
    )
    shown = page(urls["Pause"], reason="for the night")
    assert "The broker does not answer: connection refused." in shown
