"""Creating, activating and pausing a competition."""

from django.conf import settings
from django.db import transaction

from competitions import packs
from competitions.callables import keep_failure
from competitions.config_loader import load_config
from competitions.contract import ScheduledPredictionConfig
from competitions.dispatch import begin
from competitions.errors import CompetitionError, DefinitionError
from competitions.models import CallableFailure, Competition, ScheduledPrediction
from competitions.slots import wire
from competitions.wiring import wiring_of
from feeds import clock, granularity
from feeds.providers import registry
from feeds.subscriptions import subscribe


@transaction.atomic
def create_competition(
    *,
    slug: str,
    pack_name: str,
    name: str = "",
    config_path: str = "",
    feed_source: str = "",
    feed_granularity: str = "",
) -> Competition:
    """Create a DRAFT competition from a pack, or bring its schedule up to date.

    Everything is checked before anything is written; raises CompetitionError.
    """
    pack = packs.load(pack_name)
    source = feed_source or settings.ENV.feed_source
    grain = feed_granularity or settings.ENV.feed_granularity or pack.feed.granularity
    registry.create(source)
    packs.check_schedule(pack.scheduled_prediction_configs, feed_granularity=grain)
    check_wiring(pack=pack, config_path=config_path)
    env = settings.ENV
    wired = {
        "pack": pack.id,
        "config_path": config_path,
        "slots": pack.callables,
        "feed_source": source,
        "feed_kind": pack.feed.kind,
        "feed_granularity": grain,
        "checkpoint_interval_s": pack.checkpoint_interval_seconds,
    }
    competition, _ = Competition.objects.update_or_create(
        slug=slug,
        defaults=wired,
        create_defaults={
            **wired,
            "name": name or slug.replace("-", " ").title(),
            "score_interval_s": pack.checkpoint_interval_seconds,
            "crunch_pubkey": env.crunch_pubkey,
            "network": env.network,
            "compute_provider": env.compute_provider_pubkey,
            "data_provider": env.data_provider_pubkey,
            "created_at": clock.now(),
        },
    )
    seed_schedule(competition=competition, configs=pack.scheduled_prediction_configs)
    return competition


def check_wiring(*, pack: packs.Pack, config_path: str) -> None:
    """Load the contract and resolve the pack's ten slots; raises CompetitionError."""
    wire(load_config(config_path), pack.callables)


def seed_schedule(
    *, competition: Competition, configs: list[ScheduledPredictionConfig]
) -> None:
    """Upsert the schedule by scope key; what the pack no longer names goes inactive."""
    for config in configs:
        ScheduledPrediction.objects.update_or_create(
            competition=competition,
            scope_key=config.scope_key,
            defaults={
                "scope_template": config.scope_template,
                "prediction_interval_s": config.schedule.prediction_interval_seconds,
                "resolve_horizon_s": config.schedule.resolve_horizon_seconds,
                "active": config.active,
                "order": config.order,
                "meta": config.meta,
            },
        )
    competition.scheduled_predictions.exclude(
        scope_key__in=[c.scope_key for c in configs]
    ).update(active=False)


def missing_points(competition: Competition) -> list[str]:
    """What the six-point definition still lacks, in words; empty when it is whole."""
    missing = []
    if not settings.ENV.model_base_classname:
        missing.append("model interface: set MODEL_BASE_CLASSNAME")
    try:
        wiring_of(competition)
    except CompetitionError as error:
        missing.append(
            f"inference input, inference output, scoring function, model score: {error}"
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


def check_running() -> list[str]:
    """Resolve the wiring of every active competition; returns what is wrong, in words.

    Each failure is kept where operators look; what failed before a worker's start may
    have been mended, and is forgotten.
    """
    CallableFailure.objects.all().delete()
    problems = []
    for competition in Competition.objects.active():
        try:
            wiring_of(competition)
        except CompetitionError as error:
            text = str(error)
            keep_failure(competition, name="wiring", path=competition.slug, text=text)
            problems.append(f"{competition.slug} does not run: {text}")
    return problems


@transaction.atomic
def activate(*, competition_id: int) -> Competition:
    """Let a competition run from the next slot of its grid; subscribe its feeds.

    Raises DefinitionError naming every missing point; a running one is left as it is.
    """
    competition = Competition.objects.select_for_update().get(pk=competition_id)
    if competition.status == Competition.Status.ACTIVE:
        return competition
    if competition.status == Competition.Status.ENDED:
        raise DefinitionError(f"{competition.slug} was ENDED; it cannot run again.")
    if missing := missing_points(competition):
        raise DefinitionError(f"{competition.slug} is not whole: {'; '.join(missing)}.")
    now = clock.now()
    schedule = list(competition.scheduled_predictions.filter(active=True))
    for scheduled in schedule:
        subscribe(
            source=competition.feed_source,
            subject=subject_of(scheduled.scope_template, competition),
            kind=competition.feed_kind,
            granularity=competition.feed_granularity,
        )
    competition.status = Competition.Status.ACTIVE
    for scheduled in schedule:
        scheduled.competition = competition
        begin(scheduled, now)
        scheduled.save(update_fields=["starts_at", "next_slot_at"])
    competition.activated_at = competition.activated_at or now
    competition.next_score_at = now
    competition.save(update_fields=["status", "activated_at", "next_score_at"])
    return competition


@transaction.atomic
def pause(*, competition_id: int) -> Competition:
    """Stop asking; rounds that were asked are still scored."""
    competition = Competition.objects.select_for_update().get(pk=competition_id)
    if competition.status != Competition.Status.ACTIVE:
        raise DefinitionError(
            f"{competition.slug} was {competition.status}; only an ACTIVE one pauses."
        )
    competition.status = Competition.Status.PAUSED
    competition.save(update_fields=["status"])
    competition.scheduled_predictions.update(next_slot_at=None)
    return competition


def subject_of(scope: dict[str, object], competition: Competition) -> str:
    """Subject of a scope, in either spelling, else the contract's default."""
    default = wiring_of(competition).config.scope.subject
    return str(scope.get("subject") or scope.get("asset") or default)
