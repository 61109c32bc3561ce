"""Errors that say why a period cannot be paid."""

from core.errors import OperatorError


class EmissionError(OperatorError):
    """A period cannot be paid yet; the message says what is missing."""

    code = "emission_refused"
    status = 409
