"""The service that scores what is due: the site's, or the operator's.

`SCORE_SERVICE_FACTORY` names a callable without arguments that makes a `ScoreService`.
It is called once in each process that scores.
"""

from collections.abc import Sequence
from typing import Protocol

import structlog
from django.conf import settings

from competitions.callables.guarded_calls import keep_failure
from competitions.models import CallableFailure, Competition
from core.deadline import in_time
from core.service_factories import find_factory, make_service
from core.texts import describe

log = structlog.get_logger(__name__)

VARIABLE = "SCORE_SERVICE_FACTORY"
# How long, in real time, one call may take: less than a task's soft time limit.
PATIENCE_S = 220.0


class ScoreService(Protocol):
    """Scores the competitions whose next cycle is due."""

    def run_once(self, competition_ids: Sequence[int]) -> None:
        """Score them all; `scoring.cycle.run_cycle` does the site's work for one.

        A competition is due each `score_interval_s`. Two calls may run at the same
        time, for the same competition too.
        """
        ...


def check_factory() -> None:
    """Raise FactoryRefusedError for a factory that cannot be called; calls nothing."""
    if path := settings.ENV.score_service_factory:
        find_factory(VARIABLE, path)


def own_score_service() -> ScoreService | None:
    """Return the operator's service, made once; None without one.

    Raises FactoryRefusedError naming variable, path and cause.
    """
    path = settings.ENV.score_service_factory
    if not path:
        return None
    made: ScoreService = make_service(
        VARIABLE, path, method="run_once", takes=("competition_ids",)
    )
    return made


def score_by(service: ScoreService, *, competition_ids: Sequence[int]) -> None:
    """Let the operator's service score; a failure is kept for each competition."""
    path = settings.ENV.score_service_factory
    try:
        in_time(
            lambda: service.run_once(list(competition_ids)),
            PATIENCE_S,
            key=(VARIABLE, path),
        )
    except Exception as error:
        log.exception("score_service.failed", path=path)
        for competition in Competition.objects.filter(pk__in=competition_ids):
            keep_failure(competition, name=VARIABLE, path=path, text=describe(error))
        return
    CallableFailure.objects.filter(
        competition__in=competition_ids, callable=VARIABLE
    ).delete()
