"""Asks the site, again within bounds where it may help, and tells what it refuses."""

import time
from urllib.parse import urljoin, urlsplit

import requests

from .credentials import key_variable
from .problems import InvalidInput, NotAllowed, Refused, Unreachable

RETRIES = 3
TIMEOUT_S = 30
# Seconds before the first and the second retry; a Retry-After of the site is longer.
PAUSES_S = (0.5, 2.0)
LONGEST_PAUSE_S = 30
PASSING = (502, 503, 504)
LARGEST_ANSWER = 64 * 2**20  # of one that is read whole, not into a file
MOST_PAGES = 10_000
IN_PROGRESS = "idempotency_in_progress"


class SiteRequests:
    """Sends requests with the key to the site at `url`, and to nobody else."""

    def __init__(self, url, key, session=None):
        self.url, self.key = url, key
        self._session = session or requests.Session()

    def get(self, url, query=None, headers=None, stream=False):
        """Return a good answer to a GET; raises the problem of another."""
        return self._ask("GET", url, headers, params=query or {}, stream=stream)

    def post(self, url, once, data, files):
        """Return a good answer to a form; `once` lets the site do it once, if repeated."""
        headers = {"Idempotency-Key": once}
        return self._ask("POST", url, headers, data=data, files=files)

    def _ask(self, method, url, headers, **options):
        headers = dict(headers or {})
        # The key goes to the site alone, wherever an answer's links lead.
        if self.key and url.startswith(self.url + "/"):
            headers["X-API-Key"] = self.key
        for attempt in range(RETRIES):
            is_last = attempt == RETRIES - 1
            try:
                answer = self._session.request(
                    method,
                    url,
                    headers=headers,
                    timeout=TIMEOUT_S,
                    allow_redirects=False,  # the key would go along
                    **{**options, "stream": True},
                )
                if not options.get("stream"):
                    _read(answer, url)
            except requests.RequestException as error:
                if is_last:
                    raise Unreachable(
                        f"{url} gave no answer: {_cause(error)}. Is that the site? "
                        "COORDINATOR_URL or --url names another."
                    ) from None
                time.sleep(PAUSES_S[attempt])
                continue
            if is_last or not _may_pass(answer):
                return _checked(answer, url)
            time.sleep(_pause_s(answer, PAUSES_S[attempt]))
        raise AssertionError("the last attempt returns or raises")


    def next_of(self, url, page_url, number):
        """Return the address of the next page, which is on the site whatever it says.

        Raises Unreachable for an odd one, and where pages have no end.
        """
        if not url:
            return None
        if not isinstance(url, str) or number >= MOST_PAGES:
            raise Unreachable(f"the pages of {page_url} have no end; is it the site?")
        try:
            site, found = urlsplit(self.url), urlsplit(urljoin(page_url, url))
        except ValueError:
            raise Unreachable(f"the page after {page_url} has no address.") from None
        return found._replace(scheme=site.scheme, netloc=site.netloc).geturl()


def _read(answer, url):
    """Read an answer, which is then at hand; raises Unreachable for an endless one."""
    parts, size = [], 0
    for part in answer.iter_content(2**16):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise Unreachable(f"{url} answered more than {LARGEST_ANSWER} bytes.")
    answer._content = b"".join(parts)


def rows_of(found, url):
    """Return a list of rows; raises Unreachable for anything else."""
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        return found
    raise Unreachable(f"{url} answered something that is no rows; is it the site?")


def row_of(found, url):
    """Return one row; raises Unreachable for anything else."""
    return rows_of([found], url)[0]


def json_of(answer):
    """Return an answer's JSON; raises Unreachable where it is none."""
    try:
        return answer.json()
    except (ValueError, RecursionError):
        raise Unreachable(
            f"{answer.url} answered something that is no JSON; is it the site?"
        ) from None


def _may_pass(answer):
    """Return whether the same request may fare better in a moment."""
    if answer.status_code == 429:  # a quota that is used up names no time in seconds
        return "Retry-After" in answer.headers
    if answer.status_code == 409:
        return _said(answer)[1] == IN_PROGRESS
    return answer.status_code in PASSING


def _cause(error):
    """Return the innermost reason, without the layers around it."""
    while getattr(error, "args", None) and isinstance(error.args[0], Exception):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    return str(reason if reason is not None else error)[:300]


def _pause_s(answer, least):
    try:
        return min(LONGEST_PAUSE_S, max(least, float(answer.headers["Retry-After"])))
    except (KeyError, ValueError):
        return least


def _checked(answer, url):
    """Return a good answer; raise the problem that another one says."""
    status = answer.status_code
    if 300 <= status < 400:
        target = answer.headers.get("Location", "nowhere")[:300]
        raise Unreachable(
            f"{url} leads to {target!r}; if that is the site, name it by --url."
        )
    if status < 400 or status == 416:
        return answer
    text, code = _said(answer)
    if status == 401:
        raise NotAllowed(f"{text} Set {key_variable()}, or run `login`.", code)
    if status == 403:
        where = f"The key comes from {key_variable()}, or from `login`."
        raise NotAllowed(f"{text} {where}", code)
    if status in (409, 429):
        raise Refused(text, code)
    if status >= 500:
        raise Unreachable(f"{url} answered {status}: {text}", code)
    raise InvalidInput(f"{url} answered {status}: {text}", code)


def _said(answer):
    """Return what the site says of its refusal, and its code."""
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        return f"it answered {answer.status_code}.", None
    if isinstance(found, dict):
        for name in ("detail", "message", "error"):
            if isinstance(found.get(name), str):
                return found[name], found.get("code")
    return str(found)[:300], None
