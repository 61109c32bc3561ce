"""Check a competition's definition: what it lacks, and what fails in a trial."""

from django.conf import settings

from competitions import packs
from competitions.callables.guarded_calls import (
    CHECKS,
    TRIAL,
    WIRING,
    forget_failure,
    forget_unwired,
    keep_failure,
)
from competitions.config_loader import load_config
from competitions.errors import CompetitionError
from competitions.kept_rules import keep_rules
from competitions.models import Competition
from competitions.slots import Wiring, wire
from competitions.trial_process import TRIALS, try_apart
from competitions.wiring import wiring_of
from feeds import granularity

_AT_START = "a worker started with other code or another environment"


def check_wiring(*, pack: packs.Pack, config_path: str) -> Wiring:
    """Load the contract and resolve the pack's ten slots; raises CompetitionError.

    An operator's own code is tried in a separate process first.
    """
    try_apart(config_path=config_path, slots=pack.callables)
    return wire(load_config(config_path), pack.callables)


def key_of(competition: Competition, wiring: Wiring) -> str:
    """Return the crunch key of row, contract or environment; empty without one."""
    return (
        competition.crunch_pubkey
        or wiring.config.crunch_pubkey
        or settings.ENV.crunch_pubkey
    )


def missing_points(
    competition: Competition, *, broken: CompetitionError | None = None
) -> list[str]:
    """Return what the six-point definition lacks, as sentences; empty when complete.

    A wiring that is known to be `broken` is not loaded.
    """
    missing = []
    if not settings.ENV.model_base_classname:
        missing.append("model interface: set MODEL_BASE_CLASSNAME")
    try:
        if broken:
            raise broken
        wiring = wiring_of(competition)
    except CompetitionError as error:
        missing.append(
            f"inference input, inference output, scoring function, model score: {error}"
        )
    else:
        if competition.emission_interval_s and not key_of(competition, wiring):
            missing.append(
                "crunch key: set the competition's crunch pubkey or CRUNCH_PUBKEY, or "
                "an emission interval of 0 for no emissions"
            )
    if competition.checkpoint_interval_s <= 0:
        missing.append("checkpoint interval: must be a positive number of seconds")
    schedule = list(competition.scheduled_predictions.filter(active=True))
    if not schedule:
        missing.append("schedule: no active scheduled prediction")
    length_s = granularity.seconds(competition.feed_granularity)
    missing += [
        f"schedule {s.scope_key}: horizon {s.resolve_horizon_s} s is shorter than "
        f"the feed's {length_s} s"
        for s in schedule
        if 0 < s.resolve_horizon_s < length_s
    ]
    return missing


def problems_of(competition: Competition) -> list[str]:
    """Return why a competition cannot run: what it lacks, else what fails in its trial.

    Calls the operator's code, in a separate process first, so the caller must hold no
    lock.
    """
    try:
        try_apart(config_path=competition.config_path, slots=competition.slots)
    except CompetitionError as error:
        return missing_points(competition, broken=error)
    if missing := missing_points(competition):
        return missing
    wiring = wiring_of(competition)
    return [problem for trial in TRIALS for problem in trial(competition, wiring)]


def check_running() -> list[str]:
    """Load and try the code of every active competition; returns what is wrong.

    A competition whose code does not load does not run; one that fails its trial does,
    because the trial may be wrong. Each failure becomes a row that operators see. Rows
    of callables that are no longer used are deleted; the others stay until the callable
    works.
    """
    failing = Competition.objects.filter(callable_failures__isnull=False)
    problems = []
    for competition in (Competition.objects.active() | failing).distinct():
        is_active = competition.status == Competition.Status.ACTIVE
        try:
            wiring = wiring_of(competition)
        except CompetitionError as error:
            if is_active:
                text = str(error)
                keep_failure(competition, name=WIRING, path=competition.slug, text=text)
                problems.append(f"{competition.slug} does not run: {text}")
            continue
        forget_unwired(competition, wiring)
        if is_active:
            keep_rules(competition_id=competition.pk, reason=_AT_START)
        problems_by_path = _trial_problems(competition, wiring) if is_active else {}
        forget_failure(competition, *(CHECKS if not problems_by_path else (WIRING,)))
        for path, text in problems_by_path.items():
            keep_failure(competition, name=TRIAL, path=path, text=text)
            problems.append(f"{competition.slug} fails its trial: {text}")
    return problems


def _trial_problems(competition: Competition, wiring: Wiring) -> dict[str, str]:
    """Return the problems by the path of the trial that found each."""
    texts = {
        f"{trial.__module__}:{trial.__name__}": "; ".join(trial(competition, wiring))
        for trial in TRIALS
    }
    return {path: text for path, text in texts.items() if text}
