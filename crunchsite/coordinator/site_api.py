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
from crunchsite.coordinator.terminal import echo
from crunchsite.settings.env import Env

REQUEST_TIMEOUT_S = 10
LONGEST_REASON = 200

T = TypeVar("T")


class SiteError(OperatorError):
    """A site does not answer, or answers something else than asked for."""

    code = "site_unreachable"


class SiteRefusalError(SiteError):
    """The site answers, with a refusal of its own."""

    code = "site_refuses"


class WiringRefusedError(SiteRefusalError):
    """The site was started with a callable that cannot be used."""

    code = "site_wiring_broken"


class OtherProgramError(SiteError):
    """Something answers at the address, and it is not this program."""

    code = "site_is_another"


# The site's own codes for it.
_WIRING = frozenset({"slot_invalid", "contract_invalid"})


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
        try:
            found = answer.json()
        except ValueError:
            if answer.status_code >= 500:
                raise SiteError(
                    f"{self.url}{path} answered {answer.status_code}; see the logs of "
                    "the site, and of a proxy before it."
                ) from None
            raise self._other_program(path, f"{answer.status_code}, no JSON") from None
        if answer.ok:
            return found
        if not isinstance(found, dict) or not isinstance(found.get("code"), str):
            raise self._other_program(path, f"{answer.status_code}")
        said, detail = found["code"], str(found.get("detail", ""))
        address = f"{self.url}{path} answered {answer.status_code} ({said})"
        if said in _WIRING:
            raise WiringRefusedError(
                f"{address}: a callable that the site was started with cannot be used. "
                "`coordinator doctor --offline` names it; correct it, and start the "
                "site again"
            )
        raise SiteRefusalError(
            f"{address}: {one_line(readable(detail), limit=LONGEST_REASON)}"
        )

    def _other_program(self, path: str, answered: str) -> OtherProgramError:
        return OtherProgramError(
            f"{self.url}{path} is answered by another program ({answered}). Free its "
            "port, set PORT to that of the site, or give the site's address with --url."
        )

    def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return the objects at `path`: a list, or the `results` of a page."""
        found = self.get(path, **query)
        if isinstance(found, dict):
            found = found.get("results")
        if not isinstance(found, list) or not all(isinstance(r, dict) for r in found):
            raise self._other_program(path, "no list")
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
    """Return the site at `url`, or this machine's; click.BadParameter for no URL.

    A node's own site is asked about the node's competition, because the site of
    another clone may answer at the same port.
    """
    if not url:
        own = settings.WORKSPACE.slug if settings.WORKSPACE else ""
        return site_of(settings.ENV, competition or own)
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
            echo(said := text, err=True)
        left = deadline - time.monotonic()
        if left <= 0:
            return found
        time.sleep(min(every_s, left))
