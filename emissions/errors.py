"""What keeps a period from being paid."""

from feeds.errors import OperatorError


class EmissionError(OperatorError):
    """A period cannot be paid as things stand; the message says what is missing."""

    code = "emission_refused"
