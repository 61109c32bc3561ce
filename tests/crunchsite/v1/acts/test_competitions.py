"""Acts on competitions over /api/v1/: created, activated, paused, ended, asked now."""

from unittest.mock import patch

import pytest
from django.contrib.admin.models import LogEntry
from kombu.exceptions import OperationalError

from competitions.models import Competition, Round
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
WHY = {"reason": "the exchange is in maintenance"}


def done():
    """What was done, as the trail has it; not that keys were made."""
    return LogEntry.objects.exclude(content_type__app_label="keys")


def trail():
    entry = done().select_related("user").latest("pk")
    return entry.user.username[:4], entry.change_message


def test_a_competition_is_made_of_a_pack_as_a_draft(operator, frozen_clock, tape):
    body = {"slug": "eth-cup", "pack": "realtime", "subjects": ["ETHUSDT"]}
    answer = operator.post("competitions", body)
    assert answer.status_code == 201
    told = answer.json()
    assert (told["slug"], told["name"], told["status"]) == (
        *("eth-cup", "Eth Cup", "DRAFT"),
    )
    assert [each["active"] for each in told["schedule"]] == [True]
    assert Competition.objects.get().pack == "realtime"
    assert trail() == ("key.", "Added, from the pack realtime.")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"slug": "a b"}, (422, "invalid", "slug: ")),
        ({"slug": None}, (422, "null", "slug: ")),
        ({"slug": "x" * 81}, (422, "max_length", "slug: ")),
        ({"slug": ["x"]}, (422, "invalid", "slug: ")),
        ({"pack": "moon"}, (422, "pack_unknown", "pack: was 'moon'; the packs are")),
        ({"feed_source": "moon"}, (422, "invalid_choice", "feed_source: ")),
        ({"feed_kind": 7}, (422, "invalid_choice", "feed_kind: ")),
        ({"feed_granularity": "5m"}, (422, "schedule_invalid", "default: the")),
        ({"subjects": "ETHUSDT"}, (422, "not_a_list", "subjects: ")),
        ({"subjects": ["x"] * 101}, (422, "max_length", "subjects: ")),
        ({"subjects": ["no/such"]}, (422, "unknown_subject", "")),
        ({"name": "x" * 121}, (422, "max_length", "name: ")),
    ],
)
def test_what_cannot_be_a_competition_is_refused_and_none_is_made(
    operator, tape, changes, refusal
):
    answer = operator.post("competitions", {"slug": "cup", **changes})
    status, code, begins = refusal
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code), told
    assert told["detail"].startswith(begins)
    assert not Competition.objects.exists()
    assert not done().exists()


def test_one_slug_is_one_competition(operator, tape):
    assert operator.post("competitions", {"slug": "cup"}).status_code == 201
    answer = operator.post("competitions", {"slug": "cup"})
    assert (answer.status_code, answer.json()["code"]) == (409, "competition_exists")


def test_get_says_what_an_act_would_do_and_does_nothing(operator, world):
    told = operator.get(f"competitions/{world.competition.slug}/pause").json()
    assert told["title"] == "Pause"
    assert told["effect"][0] == "No longer asked: 2 models."
    assert Competition.objects.get().status == "ACTIVE"


def test_an_act_is_done_with_its_trail(operator, world):
    address = f"competitions/{world.competition.slug}"
    answer = operator.post(f"{address}/pause", WHY)
    assert answer.json() == {
        "message": "btc-demo is paused.",
        "competition": "btc-demo",
        "status": "PAUSED",
    }
    assert trail() == (
        "key.",
        "Pause: btc-demo is paused. ACTIVE to PAUSED. Reason: " + WHY["reason"],
    )
    again = operator.post(f"{address}/pause", WHY)
    assert (again.status_code, again.json()["code"]) == (409, "definition_incomplete")
    assert operator.post(f"{address}/end", WHY).json()["status"] == "PAUSED"
    assert Competition.objects.get().ending_at is not None
    assert operator.post(f"{address}/activate", WHY).json()["status"] == "ACTIVE"
    assert Competition.objects.get().ending_at is None


def test_models_are_asked_and_what_is_due_is_scored_now(
    operator, world, at, django_capture_on_commit_callbacks
):
    address = f"competitions/{world.competition.slug}"
    before = Round.objects.count()
    with (
        patch("celery.app.base.Celery.send_task") as sent,
        django_capture_on_commit_callbacks(execute=True),
    ):
        answer = operator.post(f"{address}/predict-now", WHY)
    assert answer.status_code == 200, answer.json()
    assert Round.objects.count() in (before, before + 1)  # the grid may have this slot
    sent.assert_called_once_with(
        "competitions.predict", [world.competition.pk], expires=30
    )
    told = operator.post(f"{address}/score-now", WHY).json()["message"]
    assert "resolved" in told


@pytest.mark.django_db(transaction=True, databases=["default", "tape"])
def test_without_a_broker_it_says_so(operator, world):
    address = f"competitions/{world.competition.slug}/predict-now"
    with patch("celery.app.base.Celery.send_task", side_effect=OperationalError("no")):
        answer = operator.post(address, WHY)
    assert (answer.status_code, answer.json()["code"]) == (503, "broker_down")


@pytest.mark.parametrize("act", ["activate", "pause", "end", "predict-now", "void"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"reason": " "}, "blank"),
        ({"reason": None}, "null"),
        ({"reason": ["x"]}, "invalid"),
        ({"reason": "x" * 301}, "max_length"),
        ([], "invalid"),
        ("text", "invalid"),
    ],
)
def test_without_a_reason_nothing_is_done(operator, world, act, body, code):
    answer = operator.post(f"competitions/{world.competition.slug}/{act}", body)
    assert answer.status_code in (400, 422)
    assert answer.status_code == 400 or answer.json()["code"] == code
    assert Competition.objects.get().status == "ACTIVE"
    assert not done().exists()


def test_a_body_that_is_too_large_or_no_json_is_refused(operator, world):
    address = f"competitions/{world.competition.slug}/pause"
    large = operator.post(address, {"reason": "x" * 70_000})
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    broken = operator.post(address, "{", content_type="application/json")
    assert (broken.status_code, broken.json()["code"]) == (400, "body_invalid")
    form = operator.post(address, "reason=x", content_type="text/plain")
    assert form.status_code == 415


def test_what_is_not_there_is_404_and_of_another_key_403(operator, program, world):
    unknown = operator.post("competitions/moon/pause", WHY)
    assert (unknown.status_code, unknown.json()["code"]) == (
        404,
        "competition_not_found",
    )
    other = factories.competition("other-cup")
    bound = program("write:operate", competition=other)
    answer = bound.post("competitions/btc-demo/pause", WHY)
    assert (answer.status_code, answer.json()["code"]) == (403, "key_out_of_reach")
    assert bound.post("competitions", {"slug": "x"}).status_code == 403
    assert bound.post("competitions/other-cup/pause", WHY).status_code == 200
    Competition.objects.filter(slug="btc-demo").update(status="DRAFT")
    assert bound.post("competitions/btc-demo/end", WHY).status_code == 404


def test_a_cadence_is_edited_as_a_whole_with_its_trail(operator, tape, frozen_clock):
    operator.post("competitions", {"slug": "cup"})
    body = {"snapshot_period_s": 60, "emission_interval_s": 120, "reason": "a trial"}
    told = operator.post("competitions/cup/edit", body).json()
    assert (told["snapshot_period_s"], told["emission_interval_s"]) == (60, 120)
    said = "Changed snapshot_period_s, emission_interval_s. Reason: a trial"
    assert trail()[1] == said


def test_with_its_first_key_it_pays_each_week(operator, tape, settings):
    settings.ENV = settings.ENV.model_copy(update={"crunch_pubkey": ""})
    assert operator.post("competitions", {"slug": "cup"}).status_code == 201
    body = {"crunch_pubkey": "play-money", "reason": "it pays"}
    told = operator.post("competitions/cup/edit", body).json()
    assert told["emission_interval_s"] == 604_800


@pytest.mark.parametrize(
    ("changes", "code", "begins"),
    [
        ({"emission_interval_s": 90}, "invalid", "The emission interval must be"),
        ({"snapshot_period_s": 0}, "min_value", "snapshot_period_s: "),
        ({"snapshot_period_s": 2**31}, "max_value", "snapshot_period_s: "),
        ({"snapshot_period_s": "x"}, "invalid", "snapshot_period_s: "),
        ({"name": ""}, "blank", "name: "),
        ({"crunch_pubkey": "x" * 65}, "max_length", "crunch_pubkey: "),
        ({"reason": ""}, "blank", "reason: "),
    ],
)
def test_an_edit_that_breaks_a_rule_changes_nothing(
    operator, tape, changes, code, begins
):
    operator.post("competitions", {"slug": "cup"})
    before = Competition.objects.values().get()
    answer = operator.post("competitions/cup/edit", {"reason": "r", **changes})
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.json()
    assert answer.json()["detail"].startswith(begins), answer.json()
    assert Competition.objects.values().get() == before


def test_an_edit_does_not_choose_the_site_s_code(operator, tape):
    operator.post("competitions", {"slug": "cup"})
    body = {"config_path": "os:environ", "slots": {}, "reason": "r"}
    assert operator.post("competitions/cup/edit", body).status_code == 200
    assert Competition.objects.get().config_path == ""
