"""What counts against a model, and for how many rounds it is passed over."""

from competitions.gateway.standing import LONGEST_PAUSE_ROUNDS, Standing


def rounds_passed_over(standing):
    passed_over = 0
    while standing.skips_round():
        passed_over += 1
    return passed_over


def test_each_timeout_in_a_row_doubles_the_pause_up_to_the_longest():
    standing, pauses = Standing(), []
    for count in range(1, 9):
        assert standing.timed_out("predict") == count
        pauses.append(rounds_passed_over(standing))
    assert pauses == [1, 2, 4, 8, 16, 32, 32, 32]
    assert pauses[-1] == LONGEST_PAUSE_ROUNDS


def test_a_model_without_a_timeout_is_asked_in_each_round():
    standing = Standing()
    assert [standing.failed("predict") for _ in range(3)] == [1, 2, 3]
    assert rounds_passed_over(standing) == 0


def test_a_success_clears_the_failures_of_its_own_method_only():
    standing = Standing()
    for method in ("predict", "feed_update"):
        standing.failed(method)
        standing.timed_out(method)
    standing.succeeded("predict")
    assert (standing.failed("predict"), standing.failed("feed_update")) == (1, 2)
    assert (standing.timed_out("predict"), standing.timed_out("feed_update")) == (1, 2)


def test_the_method_with_the_most_timeouts_sets_the_pause():
    standing = Standing()
    for _ in range(3):
        standing.timed_out("feed_update")
    rounds_passed_over(standing)
    standing.timed_out("predict")
    assert rounds_passed_over(standing) == 4
