"""Nasty requests: what strangers put into paths, parameters, bodies and headers."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar
from unittest.mock import patch

from django.template.backends.django import Template
from drf_spectacular.renderers import OpenApiYamlRenderer

Value = TypeVar("Value")

# With ATTACKS=1 (`make attack`) every asker meets every value.
FULL = bool(os.environ.get("ATTACKS"))
SHARE = 1 if FULL else 6


def shared(values: Sequence[Value], asker: int) -> Sequence[Value]:
    """Return a sixth of the values: six askers in a row meet all of them together."""
    return values[asker % SHARE :: SHARE]


@contextmanager
def undrawn(*, also_in_full: bool = True) -> Iterator[None]:
    """Answer without drawing the pages, which takes most of the time of a request."""
    if FULL and not also_in_full:
        yield
    else:
        with (
            patch.object(Template, "render", lambda *_, **__: ""),
            patch.object(OpenApiYamlRenderer, "render", lambda *_, **__: b"{}"),
        ):
            yield


# In a path, as raw bytes; broken UTF-8 and the admin's own escapes among them.
IN_PATHS = [
    *(b"\0", b"a\0b", b"\xff\xfe", b"\n", b"\x1b[2J", b"%", b"?#", b"_00", b"_0A"),
    *(b"0", b"-1", b"1e999", b"9" * 400, b"x" * 5_000, b"..%2f..", b"-" * 36),
    *(b"CKP_", "٣".encode(), b"2026-02-30-fresh", b"' OR 1=1 --", b"<script>"),
]
# In a parameter, as it stands in the address: of any kind, and then by its kind.
ANY = ["%00", "a%00b", "%ff%fe", "%0d%0a", "%zz", "", "a", "x" * 20_000, "[" * 2_500]
NUMBERS = ["-1", "0", "1e999", "NaN", "9" * 18, "9" * 30, "9" * 4_400, "%d9%a3", "1.5"]
INSTANTS = [
    *("0001-01-02", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00"),
    *("1970-01-01", "2199-12-31", "2026-02-30", "2026-01-01T00:00:00", "10000-01-01"),
]
CURSORS = [
    # [1e999,1], [[],{}], ["a\u0000",1], [-1,-1], a huge key, a naive instant, no base64
    *("WzFlOTk5LDFd", "W1tdLHt9XQ==", "WyJhXHUwMDAwIiwxXQ==", "Wy0xLC0xXQ=="),
    "WyIyMDI2LTAxLTAxVDAwOjAwOjAwKzAwOjAwIiw5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OV0=",
    *("WyIyMDI2LTAxLTAxIiwxXQ==", "===", "W%5B"),
]
BODIES = [
    *(b"", b"{}", b"[]", b"[1]", b"1", b"null", b'"x"', b"{", b"\xff\xfe", b"\0"),
    *(b"[" * 50_000, b'{"a":' * 5_000, b'{"a": NaN}', b'{"tx_hash": 1e999}'),
    *(b'{"tx_hash": "\\u0000"}', b'{"tx_hash": "\\ud800"}', b'{"status": "\\udfff"}'),
    *(b'{"tx_hash": ["a"]}', b'{"status": {"a": 1}}', b'{"source": "\\ud800"}'),
    *(b'{"start": "0001-01-01"}', b"x" * 200_000, b"\xef\xbb\xbf{}", b"[" * 60_000),
    b'{"source": "simulated", "subject": "\\u0000", "start": [], "end": {}}',
    b'{"subject": "x", "start": "9999-12-31T23:59:59-14:00", "kind": [[]], "end": {}}',
]
CONTENT_TYPES = [
    *("application/json", "application/json; charset=utf-16", "text/plain", "", "/"),
    *("application/json; charset=base64", "multipart/form-data; boundary=x"),
    *("application/x-www-form-urlencoded", "multipart/form-data", "a/b; q=\x7f"),
    "application/x-www-form-urlencoded; charset=latin-1",
]
HEADERS = [
    {"HTTP_ACCEPT": "text/html"},
    {"HTTP_ACCEPT": ";q=\x00,,/"},
    {"HTTP_HOST": "evil.example"},
    {"HTTP_HOST": "a b\x00"},
    {"HTTP_COOKIE": 'sessionid="\\000abcdefgh"; csrftoken="\\000"; messages="\\000"'},
    {"HTTP_COOKIE": "=;;a=\xff\xfe; sessionid=" + "x" * 5_000},
    {"HTTP_IF_NONE_MATCH": '"', "HTTP_IF_MODIFIED_SINCE": "Mon, 99 Foo 0000"},
    {"HTTP_RANGE": "bytes=9-1", "HTTP_IF_RANGE": "\xff"},
    {"HTTP_RANGE": "bytes=" + "9" * 400 + "-"},
    {"HTTP_USER_AGENT": "a\x00b" * 100, "HTTP_X_FORWARDED_FOR": "\x00, ::1"},
    {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": "\xff\x00"},
    {"HTTP_AUTHORIZATION": "Bearer \xff", "HTTP_X_CSRFTOKEN": "\xff" * 99},
    {"CONTENT_LENGTH": "-1"},
    {"CONTENT_LENGTH": "x"},
]
# For a form's field: each reaches the field's own check, or what is behind it.
IN_FIELDS = [
    *("\0", r'["\u0000"]', "[" * 3_000, '{"a": NaN}', "9" * 30, "\ud800", "null"),
]
