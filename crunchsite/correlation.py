"""Carry one id from a request to the tasks that it starts and to each log line.

A request has its id in `X-Request-ID` or gets a new one, and the answer returns it. The
message of a task carries it on. A task that no request started, like those of Beat,
uses its own id, which the tasks that it starts carry too.
"""

import re
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from celery import signals
from django.core.signals import request_finished
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
# Also the key in log lines and in the headers of a task's message.
KEY = "request_id"
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def correlate(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Bind the request's id to its log lines, and send it back.

    An id with other characters or more than 64 is replaced, because it could forge log
    lines. This is the outermost middleware, so that errors have an id too. The id stays
    bound until the request is finished, because Django logs an error after the last
    middleware.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        request_id = _sane(request.headers.get(HEADER))
        structlog.contextvars.bind_contextvars(**{KEY: request_id})
        response = get_response(request)
        response[HEADER] = request_id
        return response

    return middleware


@receiver(request_finished)
def forget(**_: Any) -> None:
    """Unbind the id of a request that was answered."""
    structlog.contextvars.unbind_contextvars(KEY)


@signals.before_task_publish.connect
def send_along(headers: dict[str, Any], **_: Any) -> None:
    """Put the bound id into the message of a task."""
    if request_id := structlog.contextvars.get_contextvars().get(KEY):
        headers[KEY] = request_id


@signals.task_prerun.connect
def bind_to_task(task_id: str, task: Any, **_: Any) -> None:
    """Bind the message's id, or the task's own, and the task's name to its lines."""
    request_id = getattr(task.request, KEY, None) or task_id
    task.request.log_tokens = structlog.contextvars.bind_contextvars(
        **{KEY: request_id, "task": task.name}
    )


@signals.task_postrun.connect
def release(task: Any, **_: Any) -> None:
    """Restore the thread, because the next task has another id."""
    tokens = getattr(task.request, "log_tokens", None)
    if tokens:
        structlog.contextvars.reset_contextvars(**tokens)


def _sane(given: str | None) -> str:
    return given if given and SANE.fullmatch(given) else uuid.uuid4().hex
