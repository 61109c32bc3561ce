"""What counts against a model, and for how many rounds it is passed over."""

from competitions.gateway.lapses import LONGEST_PAUSE_ROUNDS, Lapses


def rounds_passed_over(lapses):
    passed_over = 0
    while lapses.skips_round():
        passed_over += 1
    return passed_over


def test_each_timeout_in_a_row_doubles_the_pause_up_to_the_longest():
    lapses, pauses = Lapses(), []
    for count in range(1, 9):
        assert lapses.timed_out("predict") == count
        pauses.append(rounds_passed_over(lapses))
    assert pauses == [1, 2, 4, 8, 16, 32, 32, 32]
    assert pauses[-1] == LONGEST_PAUSE_ROUNDS


def test_a_model_without_a_timeout_is_asked_in_each_round():
    lapses = Lapses()
    assert [lapses.failed("predict") for _ in range(3)] == [1, 2, 3]
    assert rounds_passed_over(lapses) == 0


def test_a_success_clears_the_failures_of_its_own_method_only():
    lapses = Lapses()
    for method in ("predict", "feed_update"):
        lapses.failed(method)
        lapses.timed_out(method)
    lapses.succeeded("predict")
    assert (lapses.failed("predict"), lapses.failed("feed_update")) == (1, 2)
    assert (lapses.timed_out("predict"), lapses.timed_out("feed_update")) == (1, 2)


def test_the_method_with_the_most_timeouts_sets_the_pause():
    lapses = Lapses()
    for _ in range(3):
        lapses.timed_out("feed_update")
    rounds_passed_over(lapses)
    lapses.timed_out("predict")
    assert rounds_passed_over(lapses) == 4
