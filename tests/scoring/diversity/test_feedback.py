"""Advice follows from the figures."""

import pytest

from scoring.diversity.feedback import NOT_ENOUGH, diversity_score, guidance


@pytest.mark.parametrize(
    ("figures", "fragments"),
    [
        ({}, [NOT_ENOUGH]),
        ({"model_correlation": 0.8}, ["High correlation"]),
        ({"ensemble_correlation": 0.95}, ["follows the ensemble"]),
        ({"contribution": -0.1}, ["Negative contribution"]),
        ({"contribution": 0.02}, ["Positive contribution"]),
        ({"model_correlation": 0.1, "ic": -0.1}, [NOT_ENOUGH]),
    ],
)
def test_guidance_follows_from_the_figures(figures, fragments):
    said = guidance(figures)
    assert len(said) == len(fragments)
    assert all(part in text for part, text in zip(fragments, said, strict=True))


def test_the_diversity_score_is_unknown_without_a_correlation():
    assert diversity_score({"model_correlation": None}) is None
    assert diversity_score({"model_correlation": -0.4}) == 0.6
