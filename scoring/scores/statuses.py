"""Derive the protocol's status of a prediction, which is never stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, CharField, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from competitions.contract import RETURN_SPELLINGS
from competitions.models import Prediction, Round
from competitions.models.told_failures import told_reason
from scoring.models import Score

PENDING, SCORED, FAILED, ABSENT = "PENDING", "SCORED", "FAILED", "ABSENT"
WITHOUT_SCORES = (Round.Status.UNRESOLVABLE, Round.Status.VOID)


def with_status(predictions: QuerySet[Prediction]) -> QuerySet[Prediction]:
    """Annotate `status`: PENDING, SCORED, FAILED or ABSENT.

    An answer is PENDING until its round is resolved, then SCORED, or FAILED when its
    newest score failed; it is FAILED too when its round has no truth, or is void.
    """
    scored = Case(When(success=True, then=Value(SCORED)), default=Value(FAILED))
    current = Score.objects.current().filter(prediction=OuterRef("pk"))
    return predictions.annotate(
        status=Case(
            When(outcome=Prediction.Outcome.ABSENT, then=Value(ABSENT)),
            When(outcome=Prediction.Outcome.FAILED, then=Value(FAILED)),
            When(round__status__in=WITHOUT_SCORES, then=Value(FAILED)),
            default=Coalesce(Subquery(current.values_list(scored)), Value(PENDING)),
            output_field=CharField(),
        ),
    )


def reason_of(
    *, outcome: str, reason: str, round_status: str, round_reason: str, failed: str
) -> str:
    """Return why a prediction, its round or its score failed; empty if none did.

    `failed` is the reason of its score, and empty without one.
    """
    if outcome != Prediction.Outcome.ANSWERED:
        return reason
    return round_reason if round_status in WITHOUT_SCORES else failed


@dataclass(frozen=True)
class Progress:
    """A prediction, its status, and the score that counts, or None.

    `told` is why it is no answer, as its reader may know it; `reason` is that, or why
    its round or its score failed.
    """

    prediction: Prediction
    status: str
    score: Score | None
    told: str

    @property
    def stage(self) -> str:
        """Return the status in lower case, or how the round ended without scores."""
        is_round = self._is_answered and self._round.status in WITHOUT_SCORES
        return (self._round.status if is_round else self.status).lower()

    @property
    def reason(self) -> str:
        return reason_of(
            outcome=self.prediction.outcome,
            reason=self.told,
            round_status=self._round.status,
            round_reason=self._round.reason,
            failed=self.score.failed_reason if self.score else "",
        )

    @property
    def explanation(self) -> str:
        """Return the reason without the stage's name."""
        if self.status == PENDING and self._round.status == Round.Status.RESOLVED:
            return "the truth is known; scores follow"
        return self.reason.removeprefix(f"{self.stage}: ")

    @property
    def expected_at(self) -> datetime | None:
        """Return when the truth is expected; None if nothing is awaited."""
        is_waiting = self._is_answered and self._round.status == Round.Status.RECEIVED
        return self._round.resolvable_at if is_waiting else None

    @property
    def truth(self) -> float | None:
        """Return the return between both ends of the round; None if it has none."""
        actuals = self._round.actuals or {}
        returns = (actuals[name] for name in RETURN_SPELLINGS if name in actuals)
        return next(returns, None)

    @property
    def _round(self) -> Round:
        return self.prediction.round

    @property
    def _is_answered(self) -> bool:
        return self.prediction.outcome == Prediction.Outcome.ANSWERED


def with_progress(predictions: QuerySet[Prediction], user: Any) -> QuerySet[Prediction]:
    """Load what `progress_of` needs and the user may read, without bulky columns."""
    return (
        with_status(predictions.annotate(told_reason=told_reason(user)))
        .select_related("model", "round")
        .defer(
            *("round__raw_data", "round__model_input", "round__timing"),
            *("output", "meta", "reason"),
        )
    )


def progress_of(page: Sequence[Any]) -> list[Progress]:
    """Join predictions of `with_progress` with the scores that count; one statement."""
    counting = [p.pk for p in page if p.round.status not in WITHOUT_SCORES]
    scores = {
        score.prediction_id: score
        for score in Score.objects.current().filter(prediction__in=counting)
    }
    return [Progress(p, p.status, scores.get(p.pk), p.told_reason) for p in page]
