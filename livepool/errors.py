"""Errors of this app, each with a stable code (docs/integrator/errors.md)."""

from core.errors import OperatorError


class LivePoolError(OperatorError):
    """An error of the live pool that an operator can correct."""

    code = "livepool_error"


class PublishError(LivePoolError):
    code = "livepool_publish_refused"
    status = 409


class BusyError(LivePoolError):
    code = "livepool_busy"
    status = 409


class RollbackError(LivePoolError):
    code = "livepool_rollback_refused"
    status = 409
