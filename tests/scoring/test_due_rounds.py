from competitions.tape_ends import WAITING, Truth
from scoring.due_rounds import Tally
from scoring.scores.scorer import NewScore

GOOD = NewScore(value=1.0, success=True, failed_reason="", result="{}")


def failed(reason):
    return NewScore(value=None, success=False, failed_reason=reason, result="{}")


def test_a_tally_counts_each_way_that_a_round_can_end():
    truths = [
        Truth(actuals={}),
        WAITING,
        Truth(reason="the tape has a gap"),
        Truth(reason="void: outage", is_void=True),
        Truth(reason="void: outage", is_void=True),
    ]
    scores = [GOOD, failed("it raised"), GOOD, failed("too slow")]
    assert Tally.of(truths, scores) == Tally(
        resolved=1,
        unresolvable=1,
        void=2,
        waiting=1,
        scored=2,
        failed=2,
        failure="it raised",
    )


def test_tallies_add_up_and_the_first_failure_stays():
    first = Tally(resolved=1, scored=2)
    second = Tally(resolved=2, failed=1, failure="it raised")
    third = Tally(waiting=4, failed=1, failure="too slow")
    assert first + second + third == Tally(
        resolved=3, waiting=4, scored=2, failed=2, failure="it raised"
    )
