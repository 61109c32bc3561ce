"""Give feedback on how different a model is from the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from competitions.models import ParticipantModel
from competitions.reporting import finite_numbers
from scoring.models import Snapshot

Metrics = Mapping[str, float | None]

METRICS = ("ic", "model_correlation", "ensemble_correlation", "contribution", "fnc")
# A correlation over fewer predictions may be pure chance.
ENOUGH = 30
NOT_ENOUGH = "Not enough data yet: keep answering, feedback follows."


def diversity_score(figures: Metrics) -> float | None:
    """Return 1 - |mean correlation with the others|, from 0 to 1; None if unknown."""
    correlation = figures.get("model_correlation")
    return None if correlation is None else round(max(0.0, 1 - abs(correlation)), 4)


def guidance(figures: Metrics) -> list[str]:
    """Return advice by rules, each of which needs its figure to be known."""
    correlation = figures.get("model_correlation")
    ensemble = figures.get("ensemble_correlation")
    contribution = figures.get("contribution")
    ic = figures.get("ic")
    sentences = []
    if correlation is not None and correlation > 0.7:
        sentences.append(
            "High correlation with the other models: your signal adds little to theirs."
        )
    if ensemble is not None and ensemble > 0.9:
        sentences.append(
            "Your signal follows the ensemble closely (correlation above 0.9)."
        )
    if contribution is not None and contribution < 0:
        sentences.append(
            "Negative contribution: the ensemble predicts better without your model."
        )
    if contribution is not None and contribution > 0.01:
        sentences.append(
            "Positive contribution: the ensemble predicts better with you."
        )
    if correlation is not None and correlation < 0.3 and ic is not None and ic > 0:
        sentences.append("Unique alpha: your signal is both different and right.")
    return sentences or [NOT_ENOUGH]


@dataclass(frozen=True)
class Feedback:
    """The figures of a model's newest snapshot about its difference from the others.

    A snapshot of fewer than `ENOUGH` predictions gives figures and no advice.
    """

    score: float | None
    figures: dict[str, float | None]
    guidance: list[str]
    period_end: datetime
    predictions: int

    @property
    def is_early(self) -> bool:
        """Return whether there are too few predictions for advice."""
        return self.predictions < ENOUGH


def feedback(model: ParticipantModel) -> Feedback | None:
    """Return the feedback for a model's owner; None before its first snapshot.

    It is about the newest snapshot, or the one before while the newest has too few
    predictions. Otherwise advice would disappear when each period begins.
    """
    latest = (
        Snapshot.objects.current().filter(model=model).order_by("-period_end", "-pk")
    )[:2]
    if not latest:
        return None
    newest = next((s for s in latest if s.prediction_count >= ENOUGH), latest[0])
    figures = finite_numbers(newest.result_summary)
    is_enough = newest.prediction_count >= ENOUGH
    return Feedback(
        score=diversity_score(figures),
        figures={name: figures.get(name) for name in METRICS},
        guidance=guidance(figures) if is_enough else [NOT_ENOUGH],
        period_end=newest.period_end,
        predictions=newest.prediction_count,
    )
