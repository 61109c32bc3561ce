"""Errors of the gateway: the operator's mistakes, never a participant's."""

from competitions.errors import CompetitionError


class GatewayError(CompetitionError):
    """The gateway cannot be used as it is configured."""

    code = "gateway_unusable"


class ArgumentError(CompetitionError):
    """A call's argument cannot be sent."""

    code = "argument_invalid"


class MethodMissingError(CompetitionError):
    """No model has the method that the competition asks for."""

    code = "method_missing"
