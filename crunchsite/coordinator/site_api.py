"""Read a site over HTTP as its visitors do: the answers, or what is wrong with them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click
import requests
from django.conf import settings

from core.errors import OperatorError
from core.texts import one_line, readable
from crunchsite.settings.env import Env

REQUEST_TIMEOUT_S = 10
LONGEST_REASON = 200

T = TypeVar("T")


class SiteError(OperatorError):
    """A site does not answer, or answers something else than asked for."""

    code = "site_unreachable"


@dataclass(frozen=True)
class Site:
    """A site at `url`; without one, the site of REPORT_API_URL or of this machine.

    API_KEY is sent to that site alone, not to an address given by hand.
    """

    url: str
    key: str = ""
    competition: str = ""

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of `path`; raises SiteError that names the address."""
        answer = self.ask(path, **query)
        address = f"{self.url}{path}"
        if not answer.ok:
            text = one_line(readable(answer.text), limit=LONGEST_REASON)
            raise SiteError(f"{address} answered {answer.status_code}: {text}")
        try:
            return answer.json()
        except ValueError:
            raise SiteError(f"{address} answered no JSON; is it this site?") from None

    def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return the objects at `path`: a list, or the `results` of a page."""
        found = self.get(path, **query)
        if isinstance(found, dict):
            found = found.get("results")
        if not isinstance(found, list) or not all(isinstance(r, dict) for r in found):
            raise SiteError(f"{self.url}{path} answered no list; is it this site?")
        return found

    def ask(self, path: str, **query: Any) -> requests.Response:
        """Return the answer of `path`, whatever its status; raises SiteError."""
        if self.competition:
            query["competition"] = self.competition
        try:
            return requests.get(
                f"{self.url}{path}",
                params=query,
                headers={"X-API-Key": self.key} if self.key else {},
                timeout=REQUEST_TIMEOUT_S,
            )
        except requests.RequestException as error:
            raise SiteError(
                f"{self.url}{path} does not answer ({type(error).__name__}). "
                "Start the site, or give its address with --url."
            ) from None


def site_of(env: Env, competition: str = "") -> Site:
    """Return the site that an environment means, with its key."""
    own = env.report_api_url.rstrip("/") or f"http://localhost:{env.port}"
    return Site(own, env.api_key, competition)


def site_at(url: str | None, competition: str = "") -> Site:
    """Return the site at `url`, or this machine's; click.BadParameter for no URL."""
    if not url:
        return site_of(settings.ENV, competition)
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"--url was {url!r}; write http://host:port")
    return Site(url.rstrip("/"), competition=competition)


def look_until(
    look: Callable[[], T],
    *,
    is_done: Callable[[T], bool],
    note: Callable[[T], str],
    timeout_s: float,
    every_s: float,
) -> T:
    """Call `look` until `is_done` or the time is over; return what it found last.

    Whenever `note` says something new, it goes to stderr.
    """
    deadline = time.monotonic() + timeout_s
    said = ""
    while True:
        found = look()
        if is_done(found):
            return found
        if (text := note(found)) != said:
            click.echo(said := text, err=True)
        left = deadline - time.monotonic()
        if left <= 0:
            return found
        time.sleep(min(every_s, left))
