"""What is wrong in the surroundings of the stack."""

from core.errors import OperatorError


class StackError(OperatorError):
    """Something in the surroundings is wrong; the message says what and the remedy."""

    code = "stack_error"
