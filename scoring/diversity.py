"""Feedback on how different a model is from the others, in words it can act on."""

from collections.abc import Mapping

Figures = Mapping[str, float | None]

METRICS = ("ic", "model_correlation", "ensemble_correlation", "contribution", "fnc")
NOT_ENOUGH = "Not enough data yet: keep answering, feedback follows."


def diversity_score(figures: Figures) -> float | None:
    """1 - |mean correlation with the other models|, from 0 to 1; None if unknown."""
    correlation = figures.get("model_correlation")
    return None if correlation is None else round(max(0.0, 1 - abs(correlation)), 4)


def guidance(figures: Figures) -> list[str]:
    """What the figures say; each rule needs its figure to be known."""
    correlation = figures.get("model_correlation")
    ensemble = figures.get("ensemble_correlation")
    contribution = figures.get("contribution")
    ic = figures.get("ic")
    said = []
    if correlation is not None and correlation > 0.7:
        said.append(
            "High correlation with the other models: your signal says little that "
            "theirs do not."
        )
    if ensemble is not None and ensemble > 0.9:
        said.append("Your signal follows the ensemble closely (correlation above 0.9).")
    if contribution is not None and contribution < 0:
        said.append(
            "Negative contribution: the ensemble predicts better without your model."
        )
    if contribution is not None and contribution > 0.01:
        said.append("Positive contribution: the ensemble predicts better with you.")
    if correlation is not None and correlation < 0.3 and ic is not None and ic > 0:
        said.append("Unique alpha: your signal is both different and right.")
    return said or [NOT_ENOUGH]
