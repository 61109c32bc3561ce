"""Answer in words where a view would fail: overtaken by another, or refused late.

A view looks, then writes. What it found may be written or deleted in between by another
request; then the database refuses the second one. That is decided here for all views,
because only the database knows it, and a repeat meets the view's own rules.
"""

from typing import Any

import structlog
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, IntegrityError
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import render
from kombu.exceptions import OperationalError
from psycopg2 import errorcodes

from core.errors import OperatorError
from core.refusals import envelope
from crunchsite.api import reason_for
from crunchsite.edge import Handler, is_api
from crunchsite.operator.actions import BrokerError

log = structlog.get_logger(__name__)

# What depends on other rows. Other violations are faults of the code.
_OF_OTHERS = frozenset(
    {
        errorcodes.UNIQUE_VIOLATION,
        errorcodes.EXCLUSION_VIOLATION,
        errorcodes.FOREIGN_KEY_VIOLATION,
    }
)
# What Django says of a row that was to be changed and is not there any more.
_OF_NO_ROW = "did not affect any rows."


class OvertakenError(OperatorError):
    """Another request has just written what this one would have written."""

    code = "overtaken"
    status = 409


class GoneError(OperatorError):
    """What the request is about was deleted while it was at work."""

    code = "gone"
    status = 404


class NotDone:
    """Turn what a view raises into an answer, if a person can do something about it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, error: Exception
    ) -> HttpResponseBase | None:
        refusal = refusal_of(error)
        if refusal is None:
            return None
        log.warning("request.not_done", code=refusal.code, exc_info=error)
        detail = reason_for(refusal, request)
        if is_api(request.path_info):
            return JsonResponse(envelope(detail, refusal.code), status=refusal.status)
        context = {"detail": detail}
        return render(request, "not_done.html", context, status=refusal.status)


def refusal_of(error: Exception) -> OperatorError | None:
    """Return what an exception of a view means for the caller; None: a fault."""
    match error:
        case OperatorError():
            return error
        case OperationalError():  # a task that is sent after the commit
            return BrokerError(f"The broker does not answer: {error}.")
        case ObjectDoesNotExist():
            return _gone()
        case IntegrityError() if _sqlstate(error) in _OF_OTHERS:
            return OvertakenError(
                "Somebody else has just written or deleted the same, so this was not "
                "done; look at it, then ask again."
            )
        case DatabaseError() if str(error).endswith(_OF_NO_ROW):
            return _gone()
    return None


def _gone() -> GoneError:
    return GoneError("It was deleted while you asked; there is nothing to change.")


def _sqlstate(error: DatabaseError) -> Any:
    return getattr(error.__cause__, "pgcode", None)
