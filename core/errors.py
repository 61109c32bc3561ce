"""The base class of all errors that are shown to people; it imports nothing."""


class OperatorError(Exception):
    """An error that a person can correct; its text says what was found and what to do.

    `code` never changes and is listed in docs/integrator/errors.md. `status` is the
    HTTP status of the API's answer: below 500 anybody may read the text; from 500 on
    only operators may, because the text names hosts and paths.
    """

    code = "error"
    status = 503
