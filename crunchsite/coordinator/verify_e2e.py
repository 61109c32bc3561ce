"""`coordinator verify-e2e`: does a site score what its models predict?"""

import json
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import click
from django.conf import settings
from django.db import OperationalError

from competitions.callables.guarded_calls import WIRING
from competitions.models import CallableFailure, Competition
from core.errors import OperatorError
from core.texts import counted
from crunchsite.coordinator.logs import Since
from crunchsite.coordinator.site_api import (
    Site,
    SiteError,
    WiringRefusedError,
    look_until,
    site_at,
)
from crunchsite.coordinator.terminal import echo

FEWEST_SCORED = 2
MOST_PREDICTIONS = 5000


class VerificationError(OperatorError):
    """The site works, but its scores cannot be right."""

    code = "verification_failed"
    status = 409


class VerificationLateError(OperatorError):
    """What should be there was not there in time."""

    code = "verification_late"


@dataclass
class Findings:
    """What one look at a site found.

    `missing` may still come with time; `wrong` are scores that say nothing, which may
    be right only in the first rounds; `broken` does not change without somebody's help.
    """

    models: list[str] = field(default_factory=list)
    scored: int = 0
    ranked: int = 0
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return self.broken + self.missing + self.wrong


class Verification:
    """Look at a site again and again; only what was scored since counts.

    Without `since`, it is what was scored after the first look. No clock of this
    machine is compared with the site's, which may run at another speed.
    """

    def __init__(
        self, site: Site, since: datetime | None = None, *, is_own: bool = False
    ) -> None:
        self._site = site
        self._since = since
        self._is_own = is_own

    def look(self) -> Findings:
        """Return what the site shows now; that it does not answer is a finding."""
        found = Findings()
        try:
            self._look_into(found)
        except SiteError as error:
            found.missing.append(str(error))
        return found

    def _look_into(self, found: Findings) -> None:
        health = self._site.get("/healthz")
        if not isinstance(health, dict) or health.get("status") != "ok":
            found.missing.append(f"/healthz answered {health!r:.100}")
        found.broken += self._broken_wiring()
        if found.broken:
            return
        if self._is_own:  # a row may be of a worker that is just starting anew
            found.missing += _wiring_failures(self._site.competition)
        models = self._site.rows("/reports/models")
        found.models = [str(row.get("model_id")) for row in models]
        if not found.models:
            found.missing.append("no model has joined")
        scores = self._scores_of_this_run()
        found.scored = len(scores)
        if found.scored < FEWEST_SCORED:
            found.missing.append(
                f"{found.scored} of {FEWEST_SCORED} predictions were scored"
            )
        board = self._site.rows("/reports/leaderboard")
        found.ranked = len(board)
        if not board:
            found.missing.append("the leaderboard is empty")
        accounts = [row["traded"] for row in board if "traded" in row]
        if accounts and not any(accounts):
            found.missing.append("no account has traded")
            return
        # An answer that orders nothing scores 0, as most answers of traders do.
        if found.scored >= FEWEST_SCORED and not accounts:
            found.wrong += constant("the scores", scores)
        if board:
            found.wrong += constant("the leaderboard's values", map(_ranked_by, board))

    def _broken_wiring(self) -> list[str]:
        """Return why the site cannot load its callables; in full for this machine's."""
        try:
            self._site.get("/reports/schema")
        except WiringRefusedError as error:
            own = _wiring_failures(self._site.competition) if self._is_own else []
            return own or [str(error)]
        return []

    def _scores_of_this_run(self) -> list[float | None]:
        rows = [
            (instant, row.get("score_value"))
            for row in self._site.rows("/reports/predictions", limit=MOST_PREDICTIONS)
            if not row.get("score_failed") and (instant := _instant(row)) is not None
        ]
        if self._since is None:
            early = datetime.min.replace(tzinfo=UTC)
            self._since = max((instant for instant, _ in rows), default=early)
            return []
        return [value for instant, value in rows if instant > self._since]


def _wiring_failures(slug: str) -> list[str]:
    """Return what this site's worker could not load; nothing without a database."""
    with suppress(OperationalError):
        known = Competition.objects.in_order()
        competition = (known.filter(slug=slug) if slug else known).first()
        rows = CallableFailure.objects.filter(callable=WIRING, competition=competition)
        return [
            f"{path} does not run: {text.rstrip('.')}. Correct it, and start the site "
            "again"
            for path, text in rows.values_list("path", "text")
        ]
    return []


def constant(what: str, values: Iterable[float | None]) -> list[str]:
    """Return, as a sentence, that values are unknown, all zero or all the same."""
    known = [v for v in values if isinstance(v, (int, float)) and math.isfinite(v)]
    if not known:
        return [f"{what} are all unknown"]
    if not any(known):
        return [f"{what} are all 0: does the scoring function compute anything?"]
    if len(known) > 1 and len(set(known)) == 1:
        return [f"{what} are all {known[0]:g}: is the scoring function a stub?"]
    return []


def _instant(row: dict[str, Any]) -> datetime | None:
    try:
        found = datetime.fromisoformat(row["scored_at"])
    except (KeyError, TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _ranked_by(row: dict[str, Any]) -> float | None:
    ranking = row.get("score_ranking")
    return ranking.get("value") if isinstance(ranking, dict) else None


def wait_for_scores(
    site: Site,
    *,
    since: datetime | None = None,
    timeout_s: float | None = None,
    is_own: bool = False,
    is_over: Callable[[], bool] = lambda: False,
) -> Findings:
    """Look until the site scores well, the time or something else is over.

    Notes go to stderr.
    """
    return look_until(
        Verification(site, since, is_own=is_own).look,
        is_done=lambda found: not found.problems or bool(found.broken) or is_over(),
        note=lambda found: f"  waiting: {'; '.join(found.problems)}",
        timeout_s=timeout_s or settings.ENV.e2e_verify_timeout_seconds,
        every_s=settings.ENV.e2e_verify_poll_seconds,
    )


def verdict_of(site: Site, found: Findings, *, is_json: bool) -> None:
    """Print the verdict; raises VerificationError or VerificationLateError if bad."""
    is_bad = found.wrong or found.broken
    is_late = found.missing and not found.broken
    word = "LATE" if is_late else "FAIL" if is_bad else "OK"
    if is_json:
        said: dict[str, Any] = {"verdict": word, "url": site.url, **asdict(found)}
        echo(json.dumps(said))
    else:
        echo(
            f"{word}  {site.url}: {counted(len(found.models), 'model')}, "
            f"{counted(found.scored, 'prediction')} scored in this run, "
            f"{counted(found.ranked, 'model')} on the board"
        )
    if found.broken:
        raise VerificationError(f"{'; '.join(found.broken)}.")
    if found.missing:
        raise VerificationLateError(f"not in time: {'; '.join(found.problems)}.")
    if found.wrong:
        raise VerificationError(f"{'; '.join(found.wrong)}.")


@click.command("verify-e2e")
@click.option("--url", help="The site; default: REPORT_API_URL, or this machine's.")
@click.option(
    "--competition", default="", help="Its slug; default: the node's, or the first one."
)
@click.option(
    "--until-scored",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds to wait; default: E2E_VERIFY_TIMEOUT_SECONDS, which is 240.",
)
@click.option(
    "--since", type=Since(), help="Count what was scored since then: UTC, or 10m ago."
)
@click.option("--json", "is_json", is_flag=True, help="The verdict as JSON.")
def command(
    *,
    url: str | None,
    competition: str,
    until_scored: float | None,
    since: datetime | None,
    is_json: bool,
) -> None:
    """Wait until a site scores; exit code 0 if it does, 1 if wrongly, 4 if late.

    The site must answer, have models, score two predictions after the command has
    begun, and have a board whose values are neither all 0 nor all the same. Where
    models trade, an account must have traded.
    """
    site = site_at(url, competition)
    found = wait_for_scores(
        site, since=since, timeout_s=until_scored, is_own=url is None
    )
    verdict_of(site, found, is_json=is_json)
