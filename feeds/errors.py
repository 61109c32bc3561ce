"""Errors of this app, each with a stable code (docs/integrator/errors.md)."""

import math

from core.errors import OperatorError

# The longest wait that a source may demand; after it the source is asked again.
LONGEST_WAIT_S = 3600.0


class FeedError(OperatorError):
    """An error that an operator can correct, or wait out."""

    code = "feed_error"
    status = 422


class TapeError(OperatorError):
    """The tape's database cannot be reached, is full, or stopped a statement.

    Later may help. Not a FeedError: code that tries another source after a failed one
    must not do so because the tape failed.
    """

    code = "tape_failed"


class UnknownSourceError(FeedError):
    code = "unknown_source"


class UnknownSubjectError(FeedError):
    code = "unknown_subject"


class UnknownKindError(FeedError):
    code = "unknown_kind"


class UnknownGranularityError(FeedError):
    code = "unknown_granularity"


class BadRangeError(FeedError):
    code = "bad_range"


class ReplayFileError(FeedError):
    code = "replay_file"
    status = 503


class ProviderError(FeedError):
    """The provider failed; asking again later may help.

    `retry_after_s` is the wait that it demanded, if any: between 0 and LONGEST_WAIT_S.
    """

    code = "provider_failed"
    status = 503

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        if retry_after_s is None or math.isnan(retry_after_s):
            self.retry_after_s: float | None = None
        else:
            self.retry_after_s = min(max(retry_after_s, 0.0), LONGEST_WAIT_S)


class NothingUsableError(ProviderError):
    """The provider answered with `rows` rows, and none of them was valid."""

    def __init__(self, message: str, *, rows: int) -> None:
        super().__init__(message)
        self.rows = rows


class ProviderSettingError(FeedError):
    """The provider will refuse until a setting changes: do not ask again soon."""

    code = "provider_setting"
    status = 503
