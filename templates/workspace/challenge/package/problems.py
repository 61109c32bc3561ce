"""What can go wrong, each with the exit code of the command that met it."""


class Problem(Exception):
    """Something that the user can act on: what was found, what to do.

    `code` is the site's where the site refused.
    """

    code = "failed"
    exit_code = 1

    def __init__(self, text, code=None):
        super().__init__(text)
        self.code = code or self.code


class InvalidInput(Problem):
    """An argument, a file or a model that cannot be used."""

    code = "invalid_input"
    exit_code = 2


class NotAllowed(Problem):
    """The site refused the key, or wants one."""

    code = "not_allowed"
    exit_code = 3


class Unreachable(Problem):
    """The site gave no answer, or a broken one; try again later."""

    code = "unreachable"
    exit_code = 4


class Refused(Problem):
    """The site refused by its state: closed, or the quota is used up."""

    code = "refused"
    exit_code = 5


class NoData(InvalidInput):
    """There is no market data for what was asked."""

    code = "no_data"
