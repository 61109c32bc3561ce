"""The factories of services that the environment names: which are refused, and why."""

from competitions import predict_service
from core.service_factories import FactoryRefusedError
from crunchsite import report_app
from scoring import score_service

CHECKS = (
    predict_service.check_factory,
    score_service.check_factory,
    report_app.check_factory,
)


def refused() -> list[FactoryRefusedError]:
    """Return why factories cannot be called; imports them, and calls none."""
    found = []
    for check in CHECKS:
        try:
            check()
        except FactoryRefusedError as error:
            found.append(error)
    return found
