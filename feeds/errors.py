"""The base of all refusals, each with a stable code (docs/integrator/errors.md)."""


class OperatorError(Exception):
    """Something that a person can correct: what was found, and what to do."""

    code = "error"
