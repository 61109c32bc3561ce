"""Check submitted versions one after another, and put those that pass in their place.

One process checks at a time. If it dies, the next one checks the same version anew: a
version's end is written with the number of its attempt, so that only the newest attempt
ends it.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.db.models import F

from competitions.check_model.ask_scopes import WINDOW, scopes_like, scopes_of
from competitions.check_model.bench import Bench
from competitions.check_model.checkup import Checkup, check_on
from competitions.check_model.market import made_up_candles
from competitions.local_models.control import ControlError
from competitions.models import SubmittedVersion
from competitions.submissions.errors import ModelTakenError
from competitions.submissions.going_live import go_live, refuse
from competitions.submissions.quota import INTERRUPTED
from competitions.submissions.receiving import require_own
from competitions.submissions.site_bench import site_bench, submitted_folder
from competitions.wiring import wiring_of
from core.errors import OperatorError
from core.only_one import only_one
from core.texts import readable, storable_json

log = structlog.get_logger(__name__)

ROUNDS = 40
MOST_ATTEMPTS = 3
MOST_PROBLEMS, LONGEST_LOG = 20, 8_000
_CHECKING = 0x5AB318
Check = Callable[[SubmittedVersion, Path, Bench], Checkup]


def check_waiting() -> bool:
    """Check versions, the longest waiting first, until one ends; return whether it did.

    Does nothing while another process checks. One that cannot be checked now, or whose
    check broke, waits on, and the next model's is checked meanwhile; versions of one
    model go in their order.
    """
    with only_one(_CHECKING) as is_only:
        waiting = list(SubmittedVersion.objects.waiting()) if is_only else []
        first = {(row.competition_id, row.model_id): row for row in reversed(waiting)}
        rows = sorted(first.values(), key=lambda row: row.pk)
        return any(_check_alone(row) for row in rows)


def _check_alone(row: SubmittedVersion) -> bool:
    """Check one version; one whose check breaks has used up an attempt."""
    try:
        return check_version(row)
    except DatabaseError:  # it is no fault of the version, and stops the others too
        raise
    except Exception:
        log.exception("submission.broke", model=row.model_id, version=row.version)
        return False


def check_on_site(row: SubmittedVersion, folder: Path, bench: Bench) -> Checkup:
    """Run the check of `check-model` with the competition's contract and schedules."""
    wiring = wiring_of(row.competition)
    asked = row.competition.scheduled_predictions.filter(active=True)
    scopes = scopes_like(
        wiring.config, list(asked.values_list("scope_template", "resolve_horizon_s"))
    )
    return check_on(
        bench,
        path=folder,
        wiring=wiring,
        scopes=scopes or scopes_of(wiring.config),
        base_classname=settings.ENV.model_base_classname,
        candles=made_up_candles(ROUNDS + WINDOW),
        rounds=ROUNDS,
        timeout_s=settings.ENV.model_runner_timeout_s,
    )


def check_version(row: SubmittedVersion, check: Check = check_on_site) -> bool:
    """Check one version; returns whether it has ended, LIVE or REFUSED."""
    bench, folder = site_bench(), submitted_folder() / row.content
    if why := _given_up(row, folder, bench):
        return refuse(row, INTERRUPTED, why)
    if row.result:  # it has passed, and was interrupted on its way to its place
        return _begin(row) and _put_live(row, row.result)
    if bench is None or not bench.is_up():
        why = "the site's orchestrator of checks does not run"
        return _wait(row, why, has_begun=False)
    return _begin(row) and _check_on(bench, row, check)


def _check_on(bench: Bench, row: SubmittedVersion, check: Check) -> bool:
    """Check a version whose attempt has begun; returns whether it has ended."""
    try:
        found = check(row, submitted_folder() / row.content, bench)
    except (ControlError, OperatorError) as error:
        return _wait(row, f"the site cannot check it: {error}")
    if not found.is_fit and not bench.is_up():
        return _wait(row, "the site's orchestrator of checks went down")
    return _end(row, found)


def _end(row: SubmittedVersion, found: Checkup) -> bool:
    result = result_of(found)
    if found.is_fit:
        return _put_live(row, result)
    code = "check_setup_failed" if found.setup_s is None else "check_answers_failed"
    return refuse(row, code, result["problems"][0]["text"], result)


def _given_up(row: SubmittedVersion, folder: Path, bench: Bench | None) -> str:
    """Return why a version is not checked at all; empty if it is."""
    if not (folder / "main.py").is_file():  # waiting on would hold up all others
        return "its files are gone from the site"
    if row.attempts < MOST_ATTEMPTS:
        return ""
    if bench is not None:
        bench.clear()  # the last attempt's instances may run yet
    return f"its check was interrupted {row.attempts} times"


def _put_live(row: SubmittedVersion, result: dict[str, Any]) -> bool:
    """Put a version that passed in its place, unless another took the name meanwhile.

    It waits where the site cannot copy it.
    """
    try:
        require_own(row.cruncher, row.model_id)
        return go_live(row, result)
    except ModelTakenError as error:
        return refuse(row, error.code, str(error), result)
    except ControlError as error:
        return _wait(row, f"the site cannot put it in its place: {error}")


def result_of(found: Checkup) -> dict[str, Any]:
    """Return what a check found as JSON that a column can hold."""
    problems = found.problems.most_common(MOST_PROBLEMS)
    told = {
        **{name: value for name, value in asdict(found).items() if name != "problems"},
        "is_fit": found.is_fit,
        "log": found.log[-LONGEST_LOG:],
        "problems": [
            {"text": readable(text), "count": count} for text, count in problems
        ],
    }
    result: dict[str, Any] = storable_json(told)
    return result


def _begin(row: SubmittedVersion) -> bool:
    """Begin an attempt; returns False when the version has ended meanwhile."""
    row.attempts += 1
    row.status = SubmittedVersion.Status.CHECKING
    is_begun = (
        SubmittedVersion.objects.waiting()
        .filter(pk=row.pk)
        .update(attempts=row.attempts, status=row.status, reason="")
    )
    if is_begun:
        log.info("submission.checking", model=row.model_id, version=row.version)
    return bool(is_begun)


def _wait(row: SubmittedVersion, reason: str, *, has_begun: bool = True) -> bool:
    """Let a version wait on, through no fault of its own; returns False.

    The attempt that has begun does not count; those that were killed do.
    """
    attempt = SubmittedVersion.objects.waiting().filter(
        pk=row.pk, attempts=row.attempts
    )
    attempt.update(
        status=SubmittedVersion.Status.QUEUED,
        reason=readable(f"{reason}; it is tried again"),
        attempts=F("attempts") - int(has_begun),
    )
    log.warning("submission.waits", model=row.model_id, reason=reason)
    return False
