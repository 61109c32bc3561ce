"""Refusals of the site's log."""

from core.errors import OperatorError


class LogKeyError(OperatorError):
    """The log cannot be signed with the key that the site has; the text says why."""

    code = "log_key"


class LogForkError(OperatorError):
    """Signing would contradict a head that was signed before; nothing is signed."""

    code = "log_fork"


class LogProofError(OperatorError):
    """There is no proof: not yet, or because stored data differ from the log."""

    code = "log_proof"
    status = 409


class TimestampError(OperatorError):
    """The log's head was not stamped; the text says why."""

    code = "log_timestamp"
    status = 503


class WitnessError(OperatorError):
    """A witness, or what it signed, cannot be used; the text says why."""

    code = "witness_invalid"
    status = 422
