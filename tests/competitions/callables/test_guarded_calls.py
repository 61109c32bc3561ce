"""Whatever an operator's callable does, its failure is one row and one word."""

from datetime import timedelta

import pytest

from competitions.callables.guarded_calls import CallableError, GuardedCalls, Outcomes
from competitions.models import CallableFailure
from tests import factories
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def competition():
    return factories.competition()


def fail(guarded, text="no"):
    with pytest.raises(CallableError):
        guarded.call("SLOT", "own.module:function", lambda: raising(text))


def raising(text):
    raise ValueError(text)


def test_failures_in_a_row_are_counted_and_a_success_forgets_them(competition, at):
    with at(NOW):
        fail(GuardedCalls(competition), "first")
        fail(GuardedCalls(competition), "second")
        row = CallableFailure.objects.get()
        assert (row.callable, row.count, row.text) == ("SLOT", 2, "ValueError: second")
        assert row.first_at <= row.last_at

        assert (
            GuardedCalls(competition).call("SLOT", "own.module:function", lambda: 3)
            == 3
        )
        assert not CallableFailure.objects.exists()


def test_a_callable_fails_since_its_first_failure_whatever_a_clock_said(
    competition, at
):
    seen = []
    for hour in (24, 0, 1):
        with at(NOW + timedelta(hours=hour)):
            fail(GuardedCalls(competition))
        row = CallableFailure.objects.get()
        seen.append(
            [(x - NOW) // timedelta(hours=1) for x in (row.first_at, row.last_at)]
        )
    assert seen == [[24, 24], [0, 0], [0, 1]]


@pytest.mark.parametrize(
    "text", ["", "a\0b", "\r", "\ud800", "x" * 100_000, "\x1b[2J", "\u202e"]
)
def test_any_text_of_a_failure_can_be_kept(competition, text):
    fail(GuardedCalls(competition), text)
    kept = CallableFailure.objects.get().text
    assert kept.startswith("ValueError")
    assert len(kept) <= 2_000


def test_an_answer_that_does_not_pass_its_check_is_a_failure(competition):
    guarded = GuardedCalls(competition)
    with pytest.raises(CallableError, match=r"SLOT \(own:f\): invalid literal for int"):
        guarded.call("SLOT", "own:f", lambda: "seven", check=int)
    assert guarded.failed == ["SLOT"]
    assert CallableFailure.objects.count() == 1


def test_one_competitions_failure_is_not_anothers(competition):
    other = factories.competition(slug="other")
    fail(GuardedCalls(competition))
    assert GuardedCalls(other).call("SLOT", "own.module:function", lambda: 1) == 1
    assert CallableFailure.objects.get().competition == competition


def test_a_sealed_door_repeats_what_was_answered_and_calls_nobody(competition):
    guarded, calls = GuardedCalls(competition), []

    def answer():
        calls.append(1)
        return len(calls)

    assert guarded.call("SLOT", "own:f", answer, key="a") == 1
    sealed = guarded.sealed()
    assert sealed.call("SLOT", "own:f", answer, key="a") == 1
    with pytest.raises(CallableError, match="gave no answer in time"):
        sealed.call("SLOT", "own:f", answer, key="b")
    assert len(calls) == 1


def test_a_success_costs_one_statement_however_often(
    competition, django_assert_num_queries
):
    guarded = GuardedCalls(competition)
    with django_assert_num_queries(1):
        for _ in range(5):
            guarded.call("SLOT", "own:f", lambda: 1)


def test_what_worked_for_one_and_failed_for_another_is_failing(competition):
    """Until a whole piece of work went well."""
    for reason, kept in (("it raised", ["SLOT"]), ("", [])):
        outcomes = Outcomes()
        outcomes.worked("SLOT")
        if reason:
            outcomes.failed("SLOT", "own:f", reason)
        outcomes.keep(competition)
        failing = CallableFailure.objects.values_list("callable", flat=True)
        assert list(failing) == kept
