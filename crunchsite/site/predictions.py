"""A prediction's story in one row: asked, answered, resolved, scored, or why not."""

from dataclasses import dataclass
from datetime import datetime

from competitions.contract import RETURN_SPELLINGS
from competitions.models import ParticipantModel, Prediction, Round
from core.paging import Keyset
from core.requests import read_instant
from scoring.api.boards import newest_scores, with_parts
from scoring.models import Score

PAGE_ROWS = 25
NEWEST_FIRST = Keyset("performed_at", read_instant, descending=True)


@dataclass(frozen=True)
class Told:
    """A prediction with its stage, and the reason or the expectation of that stage."""

    prediction: Prediction
    score: Score | None
    stage: str
    reason: str
    expected_at: datetime | None = None

    @property
    def truth(self) -> float | None:
        actuals = self.prediction.round.actuals or {}
        found = (actuals[name] for name in RETURN_SPELLINGS if name in actuals)
        return next(found, None)


def predictions_of(
    model: ParticipantModel, *, cursor: str | None = None
) -> tuple[list[Told], str | None]:
    """The model's newest predictions, told, and the cursor of the older ones."""
    page, following = NEWEST_FIRST.page(
        with_parts(Prediction.objects.filter(model=model).with_shown_output()),
        limit=PAGE_ROWS,
        cursor=cursor,
    )
    scores = newest_scores(page)
    return [tell(p, scores.get(p.pk)) for p in page], following


def tell(prediction: Prediction, score: Score | None) -> Told:
    """Name the stage that a prediction has reached, and why or until when."""
    round_ = prediction.round
    if prediction.outcome != Prediction.Outcome.ANSWERED:
        return Told(prediction, score, prediction.outcome.lower(), prediction.reason)
    if round_.status == Round.Status.RECEIVED:
        return Told(prediction, score, "pending", "", round_.resolvable_at)
    if round_.status != Round.Status.RESOLVED:
        stage = round_.status.lower()
        return Told(prediction, None, stage, round_.reason.removeprefix(f"{stage}: "))
    if score is None:
        return Told(prediction, score, "pending", "the truth is known; scores follow")
    if not score.success:
        return Told(prediction, score, "failed", score.failed_reason)
    return Told(prediction, score, "scored", "")
