import numpy as np
import pytest

from competitions.shared.intervals import mean_interval, overlap_of


def test_without_overlap_it_is_the_usual_standard_error():
    values = np.random.default_rng(3).normal(1, 2, 400)
    found = mean_interval(values, overlap=0)
    error = values.std(ddof=1) / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.mean == pytest.approx(1.959964 * error, rel=1e-3)
    assert found.n_eff == 400


def test_overlapping_rounds_count_for_less():
    steps = np.random.default_rng(5).normal(0, 1, 4004)
    values = np.convolve(steps, np.ones(4), "valid")  # four rounds share each step
    found = mean_interval(values, overlap=3)
    plain = mean_interval(values, overlap=0)
    assert 4001 / 4 * 0.8 < found.n_eff < 4001 / 4 * 1.25
    assert found.high - found.low > 1.3 * (plain.high - plain.low)


def test_too_little_is_unknown():
    assert np.isnan(mean_interval(np.array([]), overlap=0).mean)
    assert np.isnan(mean_interval(np.array([1.0, np.nan]), overlap=0).low)
    assert mean_interval(np.array([1.0, np.nan]), overlap=0).n_eff == 1


def test_two_questions_at_a_time_are_not_twice_as_many_independent_rounds():
    steps = np.random.default_rng(5).normal(0, 1, 4004)
    values = np.repeat(np.convolve(steps, np.ones(4), "valid"), 2)
    overlap = overlap_of([(240, 60), (240, 60)])
    assert overlap == 7
    n_eff = mean_interval(values, overlap=overlap).n_eff
    assert 4001 / 4 * 0.8 < n_eff < 4001 / 4 * 1.25


@pytest.mark.parametrize(
    ("questions", "overlap"),
    [
        ([(60, 15)], 3),
        ([(50, 15)], 3),
        ([(60, 60)], 0),
        ([(30, 60)], 0),
        ([(30, 60), (30, 60)], 1),
        ([(240, 60), (60, 120)], 5),
    ],
)
def test_what_overlaps_is_what_begins_before_a_round_ends(questions, overlap):
    assert overlap_of(questions) == overlap


def test_in_a_short_series_the_mean_is_no_surer_for_it():
    values = np.tile([1.0, -1.0], 10)  # what follows takes back what was
    found = mean_interval(values, overlap=1)
    assert 0 < found.high < 1
    assert found.n_eff == 20
