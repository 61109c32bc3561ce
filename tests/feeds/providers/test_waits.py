"""Retry-After, in every form that servers have been seen to write."""

from email.utils import formatdate
from time import asctime, gmtime, time

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import LONGEST_WAIT_S, ProviderError
from feeds.providers.waits import retry_after_s


def wait_of(text):
    response = requests.Response()
    if text is not None:
        response.headers["Retry-After"] = text
    return retry_after_s(response, default_s=60.0)


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("7", 7.0),
        (" 7.5 ", 7.5),
        ("0", 0.0),
        ("86400", 3600.0),  # believed for an hour, then asked again
        ("999999999", 3600.0),
        (None, 60.0),
        *((text, 60.0) for text in ("", "soon", "-5", "nan", "inf", "1e999", "7,5")),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 60.0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", 60.0),
        ("1000000000", 60.0),  # an instant of 2001
    ],
)
def test_a_wait_is_believed_within_bounds(text, wait_s):
    assert wait_of(text) == wait_s


@pytest.mark.parametrize(
    "write",
    [
        lambda at: str(int(at)),
        lambda at: f"{at:.3f}",
        lambda at: str(int(at * 1e3)),
        lambda at: str(int(at * 1e6)),
        lambda at: str(int(at * 1e9)),
        lambda at: formatdate(at, usegmt=True),
        formatdate,
        lambda at: asctime(gmtime(at)),
    ],
)
def test_an_instant_is_the_time_until_then(write):
    assert 880 < wait_of(write(time() + 900)) < 901
    assert wait_of(write(time() + 900_000)) == LONGEST_WAIT_S


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n")))
def test_any_text_is_a_wait(text):
    assert 0 <= wait_of(text) <= LONGEST_WAIT_S


@given(st.floats())
def test_an_error_carries_no_longer_wait(wait_s):
    kept = ProviderError("busy", retry_after_s=wait_s).retry_after_s
    assert kept is None or 0 <= kept <= LONGEST_WAIT_S
