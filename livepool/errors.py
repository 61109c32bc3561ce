"""Refusals of this app, each with a stable code."""


class LivePoolError(Exception):
    """Something an operator can correct; `code` is stable."""

    code = "livepool_error"


class PublishError(LivePoolError):
    code = "livepool_publish_refused"


class BusyError(LivePoolError):
    code = "livepool_busy"


class RollbackError(LivePoolError):
    code = "livepool_rollback_refused"
