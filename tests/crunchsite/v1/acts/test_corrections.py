"""Rescore and void over /api/v1/: what was previewed is applied, and nothing else."""

import pytest
from django.contrib.admin.models import LogEntry

from competitions.models import Round
from crunchsite.operator import previews
from scoring.models import Rescoring, VoidWindow

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
STRETCH = {
    "start": "2026-03-02T11:00:00Z",
    "end": "2026-03-02T12:00:00Z",
    "reason": "the exchange was down",
}
VOID, RESCORE = "competitions/btc-demo/void", "competitions/btc-demo/rescore"


def stale(answer):
    return (answer.status_code, answer.json()["code"]) == (409, "preview_stale")


def test_a_preview_shows_what_would_move_and_changes_nothing(operator, world):
    told = operator.post(VOID, STRETCH).json()
    assert (told["is_applied"], told["rounds"] > 0) == (False, True)
    assert {"model_id", "rank_before", "rank_after"} <= set(told["moves"][0])
    assert not VoidWindow.objects.exists()
    assert not Round.objects.filter(status="VOID").exists()


@pytest.mark.parametrize("path", [VOID, RESCORE])
def test_what_was_previewed_is_applied_once(operator, world, path):
    shown = operator.post(path, STRETCH).json()
    body = {**STRETCH, "token": shown["token"]}
    done = operator.post(path, body)
    assert done.status_code == 200, done.json()
    told = done.json()
    assert (told["is_applied"], told["token"]) == (True, None)
    assert told["summary"] == shown["summary"]
    entry = LogEntry.objects.latest("pk")
    assert entry.user.username.startswith("key.")
    assert "Reason: the exchange was down" in entry.change_message
    assert stale(operator.post(path, body))
    assert VoidWindow.objects.count() + Rescoring.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"end": "2026-03-02T11:30:00Z"},
        {"start": "2026-03-02T10:00:00Z"},
        {"scope_key": "BTCUSDT-60"},
        {"token": "x"},
        {"token": ""},
        {"token": "x" * 1001},
    ],
)
def test_a_token_is_good_for_what_was_previewed_alone(operator, world, changes):
    token = operator.post(VOID, STRETCH).json()["token"]
    answer = operator.post(VOID, {**STRETCH, "token": token, **changes})
    if changes.get("token") in ("", "x" * 1001):
        assert answer.status_code == 422
    else:
        assert stale(answer), answer.json()
    assert stale(operator.post(RESCORE, {**STRETCH, "token": token}))
    assert not VoidWindow.objects.exists()


def test_a_preview_before_another_correction_is_not_applied(operator, world):
    first, second = (operator.post(VOID, STRETCH).json()["token"] for _ in range(2))
    assert operator.post(VOID, {**STRETCH, "token": first}).status_code == 200
    assert stale(operator.post(VOID, {**STRETCH, "token": second}))
    assert VoidWindow.objects.count() == 1


def test_a_preview_of_long_ago_is_not_applied(operator, world, monkeypatch):
    token = operator.post(VOID, STRETCH).json()["token"]
    monkeypatch.setattr(previews, "PREVIEW_IS_GOOD_FOR_S", -1)
    assert stale(operator.post(VOID, {**STRETCH, "token": token}))


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"start": None}, 422, "null"),
        ({"start": "soon"}, 422, "invalid"),
        ({"start": STRETCH["end"]}, 422, "bad_range"),
        ({"end": "1969-01-01T00:00:00Z"}, 422, "out_of_range"),
        ({"scope_key": "moon"}, 422, "scope_unknown"),
        ({"scope_key": "x" * 201}, 422, "max_length"),
        ({"reason": "x" * 301}, 422, "max_length"),
    ],
)
def test_what_is_no_stretch_is_refused(operator, world, changes, status, code):
    answer = operator.post(VOID, {**STRETCH, **changes})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.json()


def test_a_stretch_without_a_closed_period_is_refused(operator, world):
    body = {**STRETCH, "start": "2026-03-02T11:10:00Z", "end": "2026-03-02T11:20:00Z"}
    answer = operator.post(RESCORE, body)
    assert (answer.status_code, answer.json()["code"]) == (409, "correction_refused")
