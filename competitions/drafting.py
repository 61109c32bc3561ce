"""Turn a pack, a contract and the environment into a competition, not stored yet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from competitions import packs
from competitions.definition import check_wiring, key_of
from competitions.errors import DefinitionError
from competitions.models import Competition, ScheduledPrediction
from competitions.slots import Wiring
from core import clock
from feeds.providers.sources import check_feed

# What files say about a competition (the place ""), and about each of its schedules.
WHOLE = ""
OF_COMPETITION = (
    *("name", "config_path", "slots", "feed_kind", "feed_granularity"),
    *("checkpoint_interval_s", "score_interval_s"),
)
OF_SCHEDULE = (
    *("scope_template", "prediction_interval_s", "resolve_horizon_s"),
    *("active", "order", "meta"),
)


@dataclass(frozen=True)
class Draft:
    """A competition and its schedules as a pack defines them; not stored."""

    competition: Competition
    schedules: list[ScheduledPrediction]

    def values(self) -> dict[str, dict[str, Any]]:
        """Return what it says, as `written_values` does for one that is stored."""
        return _values(self.competition, self.schedules)


def written_values(competition: Competition) -> dict[str, dict[str, Any]]:
    """Return place -> field -> value: the competition's own, and each schedule's.

    The place of a schedule is its scope key. One statement.
    """
    return _values(competition, competition.scheduled_predictions.all())


def _values(
    competition: Competition, schedules: Iterable[ScheduledPrediction]
) -> dict[str, dict[str, Any]]:
    found = {WHOLE: {name: getattr(competition, name) for name in OF_COMPETITION}}
    for scheduled in schedules:
        found[scheduled.scope_key] = {
            name: getattr(scheduled, name) for name in OF_SCHEDULE
        }
    return found


def draft_competition(
    *,
    slug: str,
    pack_name: str = "",
    name: str = "",
    config_path: str = "",
    feed_source: str = "",
    feed_kind: str = "",
    feed_granularity: str = "",
    subjects: Sequence[str] = (),
    pack: packs.Pack | None = None,
    wiring: Wiring | None = None,
) -> Draft:
    """Return the competition that a pack defines, with its schedule for each subject.

    `pack` is one that the site does not know by a name: a workspace's. Its code is
    tried unless the `wiring` is known.

    Without a `config_path` the contract is the pack's. A contract's own
    `scheduled_predictions` replace the pack's schedule. Empty arguments take the
    environment's value, else the pack's. Writes nothing; raises CompetitionError, and
    FeedError for a feed that no provider serves.
    """
    env = settings.ENV
    pack = pack or packs.load(pack_name)
    config_path = config_path or pack.contract
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
    _set_cadence(competition, pack.cadence)
    wiring = wiring or check_wiring(pack=pack, config_path=config_path)
    if not key_of(competition, wiring):
        # Emissions stay off until there is a key to pay for.
        competition.emission_interval_s = 0
    chosen = subjects or env.chosen_subjects
    for subject in chosen or ["ANY"]:
        check_feed(competition.feed(subject))
    configs = packs.schedule_of(pack, wiring.config, subjects=chosen)
    packs.check_schedule(configs, feed_granularity=competition.feed_granularity)
    schedules = [
        ScheduledPrediction(
            competition=competition,
            scope_key=config.scope_key,
            scope_template=config.scope_template,
            prediction_interval_s=config.schedule.prediction_interval_seconds,
            resolve_horizon_s=config.schedule.resolve_horizon_seconds,
            active=config.active,
            order=config.order,
            meta=config.meta,
        )
        for config in configs
    ]
    return Draft(competition, schedules)


def _set_cadence(competition: Competition, cadence: packs.Cadence) -> None:
    wanted = {
        "score_interval_s": cadence.score_interval_seconds,
        "snapshot_period_s": cadence.snapshot_period_seconds,
        "emission_interval_s": cadence.emission_interval_seconds,
    }
    for name, value in wanted.items():
        if value is not None:
            setattr(competition, name, value)


def check_row(row: Competition | ScheduledPrediction) -> None:
    """Apply the rules of the model, as forms do; raises DefinitionError."""
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
