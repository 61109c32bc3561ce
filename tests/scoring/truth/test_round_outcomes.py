from datetime import timedelta

from competitions.models import Round
from competitions.tape_ends import WAITING, Truth
from scoring.truth.round_outcomes import end_rounds, note_late
from tests.conftest import NOW
from tests.scoring.factories import make_round

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def rounds_of(competition, count):
    return [make_round(competition, NOW - (9 - i) * MINUTE, {}) for i in range(count)]


def rows(*names):
    return list(Round.objects.order_by("slot_at").values_list(*names))


def test_each_round_is_stored_as_it_ended_and_a_waiting_one_is_left(competition):
    rounds = rounds_of(competition, 4)
    truths = [
        Truth(actuals={"return": 0.5}, provenance={"from": "tape"}),
        Truth(reason="the tape has a gap"),
        Truth(reason="void: outage", is_void=True),
        WAITING,
    ]
    end_rounds(rounds, truths, NOW)
    assert rows("status", "reason", "actuals", "provenance", "resolved_at") == [
        ("RESOLVED", "", {"return": 0.5}, {"from": "tape"}, NOW),
        ("UNRESOLVABLE", "the tape has a gap", None, None, None),
        ("VOID", "void: outage", None, None, None),
        ("RECEIVED", "", None, None, None),
    ]


def test_only_late_rounds_that_wait_are_marked_and_only_once(
    competition, django_assert_num_queries
):
    late, ended = rounds_of(competition, 2)
    now = NOW + 2 * HOUR
    note_late([late, ended], [WAITING, Truth(reason="why")], now)
    assert rows("overdue_at") == [(now,), (None,)]
    late.refresh_from_db()
    with django_assert_num_queries(0):
        note_late([late], [WAITING], now + HOUR)
    note_late([late], [WAITING], now - MINUTE)  # the mark was of a clock ahead
    assert rows("overdue_at")[0] == (now - MINUTE,)
