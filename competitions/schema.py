"""The report schema of a competition: what its callable slot says."""

from typing import Any

from competitions.defaults import report_schema_provider
from competitions.models import Competition
from competitions.wiring import wiring_of

SLOT = "REPORT_SCHEMA_PROVIDER"


def report_schema(competition: Competition | None) -> dict[str, Any]:
    """Columns and widgets; without a competition those of the default contract.

    Raises CompetitionError when the contract or the slot cannot be resolved.
    """
    if competition is None:
        return report_schema_provider()
    wiring = wiring_of(competition)
    if wiring.is_default(SLOT):
        return report_schema_provider(wiring.config)
    return wiring[SLOT]()
