"""Why the site does not take a submission."""

from core.errors import OperatorError


class SubmissionsClosedError(OperatorError):
    """The competition takes no submissions here."""

    code = "submissions_closed"
    status = 409


class ModelTakenError(OperatorError):
    """Another cruncher has a model of this name."""

    code = "model_taken"
    status = 409


class QuotaUsedUpError(OperatorError):
    """The cruncher has submitted all versions that a day allows."""

    code = "quota_used_up"
    status = 429
