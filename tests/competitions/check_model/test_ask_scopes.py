"""A model is checked in the scopes of all schedules, as its competition asks it."""

import pytest

from competitions.check_model import ask_scopes
from competitions.check_model.ask_scopes import ask_all, scopes_like, scopes_of
from competitions.contract import CrunchConfig
from competitions.gateway.types import ModelAnswer
from competitions.slots import wire

CANDLES = [{"ts": 60 * i, "close": 100.0 + i} for i in range(8)]
SCHEDULES = [
    {
        "scope_key": f"{subject}-{horizon}",
        "scope": {"subject": subject, **more},
        "schedule": {
            "prediction_interval_seconds": 60,
            "resolve_horizon_seconds": horizon,
        },
        "active": subject != "OFF",
    }
    for subject, horizon, more in (
        ("BTCUSDT", 60, {}),
        ("ETHUSDT", 300, {"step_seconds": 30}),
        ("OFF", 60, {}),
        ("SOLUSDT", 60, {"step": 5}),
    )
]


def questions(config, rounds):
    """What a model is told and asked, round by round."""
    told = []

    def ask(feed, question):
        (data,) = (each.value for each in feed.args)
        args = [each.value for each in question.args]
        told.append((data["symbol"], *args))
        if args[0] == "SOLUSDT":
            return [ModelAnswer("a", "FAILED", reason="KeyError: 'SOLUSDT'")]
        return [ModelAnswer("a", "ANSWERED", 1.0)]

    found = ask_all(ask, wire(config, {}), scopes_of(config), CANDLES, rounds)
    return told, found


def test_each_schedule_is_asked_with_its_subject_horizon_and_step():
    config = CrunchConfig(scheduled_predictions=SCHEDULES)
    told, found = questions(config, 6)
    each = [
        ("BTCUSDT", "BTCUSDT", 60, 15),
        ("ETHUSDT", "ETHUSDT", 300, 30),
        ("SOLUSDT", "SOLUSDT", 60, 5),
    ]
    assert told == each * 2
    assert (found.answered, found.problems) == (4, {"KeyError: 'SOLUSDT'": 2})


def test_there_are_as_many_rounds_as_scopes_at_least():
    told, found = questions(CrunchConfig(scheduled_predictions=SCHEDULES), 1)
    assert ([subject for subject, *_ in told], found.rounds) == (
        ["BTCUSDT", "ETHUSDT", "SOLUSDT"],
        3,
    )


def test_a_contract_without_schedules_is_asked_in_its_own_scope():
    told, _ = questions(CrunchConfig(), 2)
    assert told == [("BTCUSDT", "BTCUSDT", 60, 15)] * 2


def test_a_schedule_may_name_its_scope_in_either_spelling():
    (scope,) = scopes_like(CrunchConfig(), [({"asset": "XRPUSDT"}, 120)])
    assert (scope["subject"], scope["horizon"], scope["step"]) == ("XRPUSDT", 120, 15)


def test_a_slow_model_is_not_asked_for_ever(monkeypatch):
    monkeypatch.setattr(ask_scopes, "MOST_ASKING_S", -1.0)
    _, found = questions(CrunchConfig(scheduled_predictions=SCHEDULES), 6)
    assert (found.rounds, found.p50_ms) == (0, None)
    assert found.problems == {}


@pytest.mark.django_db
def test_the_site_asks_the_schedules_of_its_rows(competition, monkeypatch):
    from competitions.models import SubmittedVersion
    from competitions.submissions import check_queue

    asked = competition.scheduled_predictions.get()
    competition.scheduled_predictions.create(
        scope_key="more",
        scope_template={"subject": "ETHUSDT"},
        prediction_interval_s=60,
        resolve_horizon_s=900,
    )
    competition.scheduled_predictions.create(
        scope_key="off",
        scope_template={"subject": "OFF"},
        prediction_interval_s=60,
        resolve_horizon_s=60,
        active=False,
    )
    given = {}
    monkeypatch.setattr(
        check_queue, "check_on", lambda _bench, **options: given.update(options)
    )
    check_queue.check_on_site(SubmittedVersion(competition=competition), None, None)
    assert [
        (scope["subject"], scope["resolve_horizon_seconds"])
        for scope in given["scopes"]
    ] == [
        (asked.scope_template["subject"], asked.resolve_horizon_s),
        ("ETHUSDT", 900),
    ]
