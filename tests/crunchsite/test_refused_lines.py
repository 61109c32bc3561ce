"""What a stranger's request may write into the log."""

import io
import logging

import pytest
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.test import Client

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


@pytest.fixture
def lines(monkeypatch):
    """Make a request; returns the lines that the site has logged meanwhile."""
    written = io.StringIO()
    root = logging.getLogger()
    handlers = {
        handler
        for name in ("django.request", "django.security", "")
        for handler in logging.getLogger(name).handlers
        if type(handler) is logging.StreamHandler
    }
    assert root.level <= logging.WARNING
    for handler in handlers:
        monkeypatch.setattr(handler, "stream", written)

    def ask(method, path, **options):
        client = Client(raise_request_exception=False)
        answer = getattr(client, method)(path, **options)
        return answer.status_code, written.getvalue().splitlines()

    return ask


@pytest.mark.parametrize(
    ("status", "method", "path", "options"),
    [
        (400, "get", "/", {"headers": {"host": "evil.example"}}),
        (400, "get", "/", {"headers": {"host": "a b\tc"}}),
        (400, "get", "/?x=%00", {}),
        (404, "get", "/nowhere%0Afake%20line", {}),
        (404, "get", "/nowhere%0D%0Afake", {}),
        (404, "get", "/reports/nowhere", {}),
        (405, "put", "/", {}),
        (414, "get", "/" + "x" * 3000, {}),
        (
            400,
            "post",
            "/admin/login/",
            {"data": b"--", "content_type": "multipart/form-data; boundary=\u00e9"},
        ),
        (
            400,
            "post",
            "/admin/login/",
            {"data": dict.fromkeys(map(str, range(2000)), 1)},
        ),
        (
            400,
            "post",
            "/admin/login/",
            {
                "data": b"x=" + b"y" * 3_000_000,
                "content_type": "application/x-www-form-urlencoded",
            },
        ),
    ],
)
def test_a_refused_request_writes_one_line(lines, status, method, path, options):
    answered, written = lines(method, path, **options)
    assert answered == status
    assert len(written) == 1, written
    assert len(written[0]) < 1000


@pytest.mark.parametrize(
    "error", [SuspiciousOperation("a\nb"), BadRequest("c\r\nd"), PermissionError("x")]
)
def test_only_an_error_of_ours_is_told_with_its_traceback(lines, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr("crunchsite.readiness.problems", fail)
    status, written = lines("get", "/readyz")
    assert (status == 500) == isinstance(error, PermissionError)
    assert (len(written) == 1) == (status == 400)
    assert ("Traceback" in "".join(written)) == (status == 500)
