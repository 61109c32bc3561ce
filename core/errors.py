"""The root of every refusal that reaches a person. Pure: every module may import it."""


class OperatorError(Exception):
    """Something that a person can correct: what was found, and what to do.

    `code` is stable and stands in docs/integrator/errors.md. `status` is the API's
    answer when a view raises the error: below 500 anybody may read the text; from 500
    on only operators may, because it names hosts and paths.
    """

    code = "error"
    status = 503
