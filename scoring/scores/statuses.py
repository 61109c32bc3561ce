"""The protocol's status of a prediction, derived and never stored."""

from django.db.models import Case, CharField, OuterRef, QuerySet, Subquery, Value, When

from competitions.models import Prediction, Round
from scoring.models import Score

PENDING, SCORED, FAILED, ABSENT = STATUSES = ("PENDING", "SCORED", "FAILED", "ABSENT")
WITHOUT_SCORES = (Round.Status.UNRESOLVABLE, Round.Status.VOID)


def with_status(predictions: QuerySet[Prediction]) -> QuerySet[Prediction]:
    """Annotate `status`: PENDING, SCORED, FAILED or ABSENT.

    An answer is PENDING until its round is resolved, then SCORED, or FAILED when its
    newest score failed; it is FAILED too when its round has no truth, or is void.
    """
    current = Score.objects.current().filter(prediction=OuterRef("pk"))
    return predictions.annotate(
        score_success=Subquery(current.values("success")),
        status=Case(
            When(outcome=Prediction.Outcome.ABSENT, then=Value(ABSENT)),
            When(outcome=Prediction.Outcome.FAILED, then=Value(FAILED)),
            When(round__status__in=WITHOUT_SCORES, then=Value(FAILED)),
            When(score_success=True, then=Value(SCORED)),
            When(score_success=False, then=Value(FAILED)),
            default=Value(PENDING),
            output_field=CharField(),
        ),
    )
