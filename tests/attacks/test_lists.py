"""Odd questions to every list of /api/v1/: forged cursors, far instants, odd texts."""

import base64
import json

import pytest
from django.test import Client

from tests import factories
from tests.attacks.conftest import FULL
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

LISTS = [
    *("competitions", "models", "rounds", "predictions", "scores", "snapshots"),
    *("leaderboard", "leaderboards", "checkpoints", "rewards", "feeds"),
    *("feeds/records", "releases", "ledger", "disputes"),
]
AT = "2026-03-02T12:00:00Z"
INSTANTS = [
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1e400", "NaN", "-1"),
    *("infinity", "2026-01-01", "2026-03-02T12:00:00+99:99", "%s", "9" * 30),
]
TEXTS = [
    *("-1", "1.5", "NaN", "1e400", "9" * 30, "'", "%", "%s", "\\", "[", "null"),
    *("a\r\nX-Evil: 1", "=1+1", "x" * 5_000, "a," * 600, "\u0663"),
]
NAMES = [
    *("limit", "fields", "competition", "model_id", "cruncher_id", "state", "status"),
    *("is_virtual", "scope_key", "outcome", "success", "include_superseded"),
    *("include_ensembles", "source", "subject", "kind", "granularity", "mode"),
]
PAIRS = [
    *([1, 1], ["a", 1], ["a", "b"], ["a\0", "b"], ["a", "b\0"], ["\ud800", 1]),
    *(["a", "\ud800"], [AT, 1], [AT, "x\0"], [AT, None], [AT, {}], [AT, [1]]),
    *([2**63, 1], [1, 2**63], [1.5, 1], [True, 1], [None, None], [], [1], [1, 2, 3]),
    *(["0001-01-01T00:00:00+14:00", 1], ["2026-02-28", "x\0"], ["2026-02-28", ["x"]]),
]
RAW = [b"{}", b'"ab"', b"12", b"[NaN,1]", b"[1e400,1]", b"\xff", b"[" * 400]
CURSORS = [
    "===",
    "\u00e9",
    *(base64.urlsafe_b64encode(json.dumps(pair).encode()).decode() for pair in PAIRS),
    *(base64.urlsafe_b64encode(text).decode() for text in RAW),
]
HIDDEN = ["pk", "last_error", "model__last_error", "competition__slug", "password"]


def questions(path):
    """Every question to a list; in the short form one of six, of each list others."""
    every = list(_every_question())
    return every if FULL else every[LISTS.index(path) % 6 :: 6]


def _every_question():
    yield from ({name: at} for name in ("as_of", "since", "until") for at in INSTANTS)
    yield from ({"cursor": cursor} for cursor in CURSORS)
    yield from ({name: text} for name in NAMES for text in TEXTS)


@pytest.mark.attack("odd questions to lists", held_by="core.requests, core.paging")
@pytest.mark.parametrize("path", LISTS)
def test_an_odd_question_is_refused_or_answered(path, db, tape, frozen_clock, seen):
    factories.running_competition(at=NOW, models=2, hours=1)
    client, wrong, count = Client(raise_request_exception=False), [], 0
    for query in questions(path):
        answer, count = client.get(f"/api/v1/{path}", query), count + 1
        if answer.status_code not in (200, 404, 422) or answer.has_header("X-Evil"):
            wrong.append((query, answer.status_code))
    assert wrong == []
    seen(f"{count} questions to each list: 200, 404 or 422")


@pytest.mark.attack("columns that a list has not", held_by="crunchsite.v1.columns")
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("name", HIDDEN)
def test_a_column_that_is_not_told_is_not_read(path, name, client, db, tape):
    answer = client.get(f"/api/v1/{path}", {"fields": name})
    assert (answer.status_code, answer.json()["code"]) == (422, "field_unknown")
