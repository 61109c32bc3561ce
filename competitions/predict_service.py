"""The service that asks the models of a competition: the site's, or the operator's.

`PREDICT_SERVICE_FACTORY` names a callable without arguments that makes a
`PredictService`. It is called once in each process that asks models.
"""

from typing import Any, Protocol

from django.conf import settings

from competitions.callables.guarded_calls import CallableError, GuardedCalls
from competitions.gateway.gateway import ModelGateway
from competitions.models import Competition
from core.service_factories import find_factory, make_service

VARIABLE = "PREDICT_SERVICE_FACTORY"
# How long, in real time, one call may take.
PATIENCE_S = 120.0


class PredictService(Protocol):
    """Decides when the models of a competition are asked, and asks them."""

    def run_once(self, competition: Competition, gateway: ModelGateway) -> int:
        """Ask whatever is to be asked now; return how many rounds were asked.

        It is called about each second for each active competition, in the process that
        owns its gateway, never twice at the same time. The grid's rounds wait in
        `Round.objects.to_ask`.
        """
        ...


def check_factory() -> None:
    """Raise FactoryRefusedError for a factory that cannot be called; calls nothing."""
    if path := settings.ENV.predict_service_factory:
        find_factory(VARIABLE, path)


def own_predict_service() -> PredictService | None:
    """Return the operator's service, made once; None without one.

    Raises FactoryRefusedError naming variable, path and cause.
    """
    path = settings.ENV.predict_service_factory
    if not path:
        return None
    made: PredictService = make_service(
        VARIABLE, path, method="run_once", takes=("competition", "gateway")
    )
    return made


def ask_by(
    service: PredictService, *, competition: Competition, gateway: ModelGateway
) -> int:
    """Let the operator's service ask; a failure is kept as those of callables are."""
    path = settings.ENV.predict_service_factory
    try:
        asked: int = GuardedCalls(competition).call(
            VARIABLE,
            path,
            lambda: service.run_once(competition, gateway),
            check=_count,
            patience_s=PATIENCE_S,
        )
    except CallableError:
        return 0
    return asked


def _count(answer: Any) -> int:
    if isinstance(answer, bool) or not isinstance(answer, int) or answer < 0:
        raise TypeError(f"run_once gave {answer!r}; give the number of rounds asked")
    return answer
