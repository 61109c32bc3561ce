"""Errors of this app, each with a stable code (docs/integrator/errors.md)."""

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


class CompetitionExistsError(CompetitionError):
    """There is a competition of this slug already."""

    code = "competition_exists"
    status = 409


class ScheduleError(CompetitionError):
    code = "schedule_invalid"
    status = 422


class ExclusionError(CompetitionError):
    """A model is excluded already, is not excluded, or cannot be."""

    code = "exclusion_conflict"
    status = 409


class TournamentError(CompetitionError):
    """Features or truths of a tournament round are not valid."""

    code = "tournament_invalid"
    status = 422


class TournamentConflictError(CompetitionError):
    """The posted data does not fit the present state of the round."""

    code = "tournament_conflict"
    status = 409


class TournamentMissingError(CompetitionError):
    """There is no such tournament round."""

    code = "tournament_not_found"
    status = 404
