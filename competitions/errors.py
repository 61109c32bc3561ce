"""Refusals of this app, each with a stable code (docs/integrator/errors.md)."""

from core.errors import OperatorError


class CompetitionError(OperatorError):
    """Something an operator or participant can correct."""

    code = "competition_error"


class PackError(CompetitionError):
    code = "pack_invalid"


class SlotError(CompetitionError):
    code = "slot_invalid"


class ContractError(CompetitionError):
    code = "contract_invalid"


class DefinitionError(CompetitionError):
    code = "definition_incomplete"
    status = 409


class ScheduleError(CompetitionError):
    code = "schedule_invalid"
    status = 422
