"""Does a node's site answer, at the right time, with its own endpoints?"""

from datetime import UTC
from email.utils import parsedate_to_datetime

from core import clock
from crunchsite import custom, readiness
from crunchsite.coordinator.checkup.line import Line, or_ok
from crunchsite.coordinator.site_api import Site, SiteError
from proofs import log_keys
from proofs.standing import log_troubles

ENDPOINTS = ("/healthz", "/reports/models", "/reports/leaderboard", "/reports/schema")
LARGEST_SKEW_S = 5.0


def check_site(site: Site) -> list[Line]:
    """Ask each endpoint that others rely on, and compare the site's clock with ours."""
    bad = []
    for path in ENDPOINTS:
        try:
            answer = site.get(path)
        except SiteError as error:
            bad.append(Line("FAIL", error.code, str(error)))
            if path == "/healthz":
                return bad
            continue
        if path == "/healthz" and (
            not isinstance(answer, dict) or answer.get("status") != "ok"
        ):
            bad.append(Line("FAIL", "site_unhealthy", f"{path} answered {answer!r}."))
    lines = or_ok(bad, "site", f"{site.url} answers all {len(ENDPOINTS)} endpoints.")
    return [*lines, _clock_line(site)]


def _clock_line(site: Site) -> Line:
    sent = clock.wall_now()
    try:
        date = site.ask("/healthz").headers.get("Date", "")
        skew_s = (parsedate_to_datetime(date).astimezone(UTC) - sent).total_seconds()
    except (SiteError, ValueError):
        return Line("SKIP", "clock", "the site does not say its time.")
    if abs(skew_s) > LARGEST_SKEW_S:
        do = "Let NTP set both machines' clocks."
        found = f"the site's clock is {skew_s:+.0f} s off this machine's."
        return Line("WARN", "clock_skew", found, do)
    return Line("OK", "clock", "the site's clock is this machine's.")


def check_database() -> list[Line]:
    """Say whether migrations lack, if a database answers."""
    if problem := readiness.database_problem():
        return [Line("SKIP", "migrations", f"no database answers: {problem}")]
    if problem := readiness.migrations_problem():
        return [Line("FAIL", "migrations", problem)]
    return [Line("OK", "migrations", "all are applied.")]


def check_log() -> list[Line]:
    """Say what keeps the site's log from being signed, if a database answers."""
    if problem := readiness.database_problem():
        return [Line("SKIP", "log", f"no database answers: {problem}")]
    if not log_keys.has_key():
        do = "Run `manage.py log_key create`."
        return [Line("WARN", "log_key", "the site's log has no key.", do)]
    bad = [
        Line("FAIL", trouble.code, trouble.what, "See docs/operator/log.md.")
        for trouble in log_troubles()
    ]
    return or_ok(bad, "log", "the site's log is signed.")


def check_endpoints() -> list[Line]:
    """Name the operator's own endpoints that cannot be mounted."""
    found = custom.loaded()
    bad = [
        Line("FAIL", "endpoint_broken", f"{source}: {why}.", "Correct it, and restart.")
        for source, why in sorted(found.problems.items())
    ]
    return or_ok(bad, "endpoints", f"{len(found.routes)} of your own are mounted.")
