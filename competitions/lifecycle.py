"""Creating, activating, pausing and ending a competition."""

from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction

from competitions import packs
from competitions.callables.door import (
    CHECKS,
    TRIAL,
    WIRING,
    forget_failure,
    forget_unwired,
    keep_failure,
)
from competitions.config_loader import load_config
from competitions.errors import CompetitionError, DefinitionError
from competitions.grid_dispatch import begin, is_settled
from competitions.models import Competition, ScheduledPrediction
from competitions.slots import Wiring, wire
from competitions.trial_process import TRIALS, try_apart
from competitions.wiring import wiring_of
from core import clock
from feeds import granularity
from feeds.models import FeedSubscription
from feeds.providers.sources import check_feed
from feeds.subscriptions import subscribe
from feeds.tape.records import FeedKey


@transaction.atomic
def create_competition(
    *,
    slug: str,
    pack_name: str,
    name: str = "",
    config_path: str = "",
    feed_source: str = "",
    feed_kind: str = "",
    feed_granularity: str = "",
    subjects: Sequence[str] = (),
) -> Competition:
    """Create a DRAFT competition from a pack, with its schedule for each subject.

    A contract's own `scheduled_predictions` stand in place of the pack's schedule.
    What is not given is the environment's, else the pack's. Everything is checked
    before anything is written; raises CompetitionError, and FeedError for a feed that
    nobody serves.
    """
    env = settings.ENV
    pack = packs.load(pack_name)
    if Competition.objects.filter(slug=slug).exists():
        raise DefinitionError(
            f"there is a competition {slug} already; change it in the admin."
        )
    interval_s = env.checkpoint_interval_seconds or pack.checkpoint_interval_seconds
    rationale = f"Pack {pack.id}: {pack.description}."
    if interval_s != pack.checkpoint_interval_seconds:
        rationale = (
            f"CHECKPOINT_INTERVAL_SECONDS was {interval_s} when it was made, in place "
            f"of the pack's {pack.checkpoint_interval_seconds}. {rationale}"
        )
    competition = Competition(
        slug=slug,
        name=name or slug.replace("-", " ").title(),
        pack=pack.id,
        config_path=config_path,
        slots=pack.callables,
        feed_source=feed_source or env.feed_source,
        feed_kind=feed_kind or env.feed_kind or pack.feed.kind,
        feed_granularity=feed_granularity
        or env.feed_granularity
        or pack.feed.granularity,
        checkpoint_interval_s=interval_s,
        score_interval_s=interval_s,
        interval_rationale=rationale,
        crunch_pubkey=env.crunch_pubkey,
        network=env.network,
        created_at=clock.now(),
    )
    wiring = check_wiring(pack=pack, config_path=config_path)
    if not key_of(competition, wiring):
        competition.emission_interval_s = 0  # until there is a key to pay for
    chosen = subjects or env.chosen_subjects
    for subject in chosen or ["ANY"]:
        check_feed(competition.feed(subject))
    configs = packs.schedule_of(pack, wiring.config, subjects=chosen)
    packs.check_schedule(configs, feed_granularity=competition.feed_granularity)
    _check(competition)
    competition.save()
    for config in configs:
        scheduled = ScheduledPrediction(
            competition=competition,
            scope_key=config.scope_key,
            scope_template=config.scope_template,
            prediction_interval_s=config.schedule.prediction_interval_seconds,
            resolve_horizon_s=config.schedule.resolve_horizon_seconds,
            active=config.active,
            order=config.order,
            meta=config.meta,
        )
        _check(scheduled)
        scheduled.save()
    return competition


def _check(row: Competition | ScheduledPrediction) -> None:
    """The rules of the model, as forms know them; raises DefinitionError."""
    try:
        row.full_clean()
    except ValidationError as error:
        problems = "; ".join(
            f"{name} was {getattr(row, name, None)!r}: {' '.join(texts)}"
            if name != NON_FIELD_ERRORS
            else " ".join(texts)
            for name, texts in error.message_dict.items()
        )
        raise DefinitionError(problems) from None


def check_wiring(*, pack: packs.Pack, config_path: str) -> Wiring:
    """Load the contract and resolve the pack's ten slots; raises CompetitionError.

    What is not the project's own is tried in a process of its own before.
    """
    try_apart(config_path=config_path, slots=pack.callables)
    return wire(load_config(config_path), pack.callables)


def key_of(competition: Competition, wiring: Wiring) -> str:
    """The crunch's key, of the row, the contract or the environment; may be empty."""
    return (
        competition.crunch_pubkey
        or wiring.config.crunch_pubkey
        or settings.ENV.crunch_pubkey
    )


def begin_emissions(competition: Competition) -> bool:
    """Give a competition that has just got its key the usual emission interval.

    Without a key it had none; returns whether it was given one. The caller saves it.
    """
    if competition.emission_interval_s or not competition.crunch_pubkey:
        return False
    field = Competition._meta.get_field("emission_interval_s")  # noqa: SLF001  documented API
    competition.emission_interval_s = field.default
    return True


def missing_points(
    competition: Competition, *, broken: CompetitionError | None = None
) -> list[str]:
    """What the six-point definition still lacks, in words; empty when it is whole.

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
    """Why a competition cannot run: what it lacks, else what failed when it was tried.

    Calls the operator's code, so the caller holds no lock; in a process of its own
    first.
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
    """Resolve and try the wiring of every active competition; returns what is wrong.

    One that cannot be wired does not run; one that fails its trial does, should the
    trial be wrong. Each failure is kept where operators look. Of those from before,
    what is no longer wired is forgotten, and what is, is until it has worked.
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
        found = _tried(competition, wiring) if is_active else {}
        forget_failure(competition, *(CHECKS if not found else (WIRING,)))
        for path, text in found.items():
            keep_failure(competition, name=TRIAL, path=path, text=text)
            problems.append(f"{competition.slug} fails its trial: {text}")
    return problems


def _tried(competition: Competition, wiring: Wiring) -> dict[str, str]:
    """What each trial that failed found, by its path."""
    found = {
        f"{trial.__module__}:{trial.__name__}": "; ".join(trial(competition, wiring))
        for trial in TRIALS
    }
    return {path: text for path, text in found.items() if text}


def activate(*, competition_id: int) -> Competition:
    """Let a competition run from the next slot of its grid; subscribe its feeds.

    Its callables are tried before. Raises DefinitionError naming every missing point,
    FeedError for a feed that nobody serves; a running one is left as it is, and one
    that was ending goes on.
    """
    competition = Competition.objects.get(pk=competition_id)
    if competition.status == Competition.Status.ACTIVE:
        return competition
    if competition.status != Competition.Status.ENDED:
        _refuse(competition, problems_of(competition))
        forget_failure(competition, *CHECKS)
    return _activate(competition_id)


def _refuse(competition: Competition, problems: Sequence[str]) -> None:
    if problems:
        raise DefinitionError(
            f"{competition.slug} is not whole: {'; '.join(problems)}."
        )


@transaction.atomic
def _activate(competition_id: int) -> Competition:
    competition = Competition.objects.select_for_update().get(pk=competition_id)
    if competition.status == Competition.Status.ACTIVE:
        return competition
    if competition.status == Competition.Status.ENDED:
        raise DefinitionError(f"{competition.slug} was ENDED; it cannot run again.")
    _refuse(competition, missing_points(competition))  # edited since it was tried
    now = clock.now()
    competition.status = Competition.Status.ACTIVE
    competition.activated_at = competition.activated_at or now
    competition.ending_at = None
    competition.next_score_at = now
    competition.save(
        update_fields=["status", "activated_at", "ending_at", "next_score_at"]
    )
    # What it missed while it was paused was not asked for.
    competition.scheduled_predictions.update(next_slot_at=None)
    settle(competition_id=competition_id)
    return competition


@transaction.atomic
def settle(*, competition_id: int) -> None:
    """Let what was edited take effect: the next slot of each schedule, and its feed.

    A schedule that was added, taken up again or given another interval begins at the
    next slot of its grid; one that was stopped waits for none. Safe to repeat. Raises
    FeedError for a feed that nobody serves.
    """
    now = clock.now()
    for scheduled in (
        ScheduledPrediction.objects.select_for_update(of=("self",))
        .filter(competition=competition_id)
        .select_related("competition")
    ):
        if scheduled.is_running:
            subscribe(**_feed_of(scheduled)._asdict())
        if not is_settled(scheduled, now):
            begin(scheduled, now)
            scheduled.save(update_fields=["starts_at", "next_slot_at"])


def subscribe_missing() -> int:
    """Subscribe the feeds that running schedules need and that nobody has ever had.

    A subscription that an operator has paused stays so. Returns how many were made.
    """
    running = ScheduledPrediction.objects.filter(
        active=True, competition__status=Competition.Status.ACTIVE
    ).select_related("competition")
    made = 0
    for key in {_feed_of(scheduled) for scheduled in running}:
        if not FeedSubscription.objects.filter(**key._asdict()).exists():
            subscribe(**key._asdict())
            made += 1
    return made


def _feed_of(scheduled: ScheduledPrediction) -> FeedKey:
    competition = scheduled.competition
    return competition.feed(subject_of(scheduled.scope_template, competition))


@transaction.atomic
def pause(*, competition_id: int) -> Competition:
    """Stop asking; rounds that were asked are still scored."""
    competition = Competition.objects.select_for_update().get(pk=competition_id)
    if competition.status != Competition.Status.ACTIVE:
        raise DefinitionError(
            f"{competition.slug} was {competition.status}; only an ACTIVE one pauses."
        )
    return _stop_asking(competition)


@transaction.atomic
def end(*, competition_id: int) -> Competition:
    """Stop asking for good: what was asked is scored and paid, and then it is ENDED.

    The site's ending task does the rest; until then `activate` takes it back.
    """
    competition = Competition.objects.select_for_update().get(pk=competition_id)
    if competition.status == Competition.Status.DRAFT:
        raise DefinitionError(f"{competition.slug} was DRAFT; it has not begun.")
    if competition.status == Competition.Status.ENDED or competition.ending_at:
        return competition
    competition.ending_at = clock.now()
    return _stop_asking(competition)


def _stop_asking(competition: Competition) -> Competition:
    competition.status = Competition.Status.PAUSED
    competition.save(update_fields=["status", "ending_at"])
    competition.scheduled_predictions.update(starts_at=None, next_slot_at=None)
    return competition


def subject_of(scope: dict[str, object], competition: Competition) -> str:
    """Subject of a scope, in either spelling, else the contract's default."""
    default = wiring_of(competition).config.scope.subject
    return str(scope.get("subject") or scope.get("asset") or default)
