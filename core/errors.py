"""The root of every refusal that reaches a person. Pure: every module may import it."""


class OperatorError(Exception):
    """Something that a person can correct: what was found, and what to do.

    `code` is stable and stands in docs/integrator/errors.md. `status` is what the API
    answers when a view lets the error through: below 500 the text is told to whoever
    asked; from 500 on it is told to operators alone, for it names hosts and paths.
    """

    code = "error"
    status = 503
