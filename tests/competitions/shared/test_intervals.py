import numpy as np
import pytest

from competitions.shared.intervals import mean_interval


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
    assert 4001 / 4 * 0.8 < found.n_eff < 4001 / 4 * 2.0
    assert found.high - found.low > 1.3 * (plain.high - plain.low)


def test_too_little_is_unknown():
    assert np.isnan(mean_interval(np.array([]), overlap=0).mean)
    assert np.isnan(mean_interval(np.array([1.0, np.nan]), overlap=0).low)
    assert mean_interval(np.array([1.0, np.nan]), overlap=0).n_eff == 1
