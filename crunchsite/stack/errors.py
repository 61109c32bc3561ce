"""Errors of the environment in which the site runs."""

from core.errors import OperatorError


class StackError(OperatorError):
    """The site cannot run here; the message says why and what to do."""

    code = "stack_error"
