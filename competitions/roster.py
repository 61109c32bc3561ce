"""The roster: who the orchestrator says takes part, kept as rows."""

from collections.abc import Collection, Mapping

import structlog
from django.db import transaction
from django.db.models import F, Max, Value
from django.db.models.functions import Least

from competitions.gateway.types import ModelIdentity
from competitions.models import Competition, Cruncher, ParticipantModel
from core import clock

log = structlog.get_logger(__name__)

_IDENTITY = (
    *("name", "deployment_id", "state"),
    *("cruncher__cruncher_id", "cruncher__name", "cruncher__wallet"),
)
_STATE = 2 + _IDENTITY.index("state")


def sync_roster(
    *,
    competition: Competition,
    identities: Collection[ModelIdentity],
    is_complete: bool = False,
) -> dict[str, int]:
    """Bring the rows in line with the orchestrator; returns the expected models.

    The result maps `model_id` to primary key. One statement when nothing changed; what
    a model's last connection or setup said is kept where its owner sees it. A model
    that is not among `identities` stays expected (it is ABSENT) until it is said to be
    STOPPED, or until they are complete: it left while nobody listened.
    """
    stopped = ParticipantModel.State.STOPPED
    known = {
        row[0]: row
        for row in ParticipantModel.objects.real()
        .filter(competition=competition)
        .values_list("model_id", "pk", *_IDENTITY, "last_error", "first_error_at")
    }
    changed, failing = [], {}
    for identity in identities:
        row = known.get(identity.model_id)
        if row is None or row[2:-2] != _facts(identity):
            changed.append(identity)
        is_told = row is not None and row[-2] == identity.error and row[-1] is not None
        if identity.error and not is_told:
            failing[identity.model_id] = identity.error
    if changed:
        _upsert(competition, changed)
    if failing:
        rows = ParticipantModel.objects.filter(
            competition=competition, model_id__in=failing
        )
        record_errors(models=dict(rows.values_list("model_id", "pk")), errors=failing)
    present = {identity.model_id for identity in identities}
    left = {
        row[0]: row[1]
        for row in known.values()
        if is_complete and row[0] not in present and row[_STATE] != stopped
    }
    if left:
        log.info("models.left", competition=competition.slug, models=sorted(left))
        ParticipantModel.objects.filter(pk__in=left.values()).update(
            state=stopped, updated_at=clock.now()
        )
    if changed:
        expected = ParticipantModel.objects.expected(competition)
        return dict(expected.values_list("model_id", "pk"))
    return {
        row[0]: row[1]
        for row in known.values()
        if row[_STATE] != stopped and row[0] not in left
    }


def _facts(identity: ModelIdentity) -> tuple[str, ...]:
    """What `_IDENTITY` holds of a model's row."""
    return (
        identity.name,
        identity.deployment_id,
        identity.state,
        identity.cruncher_id,
        identity.cruncher_name,
        identity.wallet,
    )


@transaction.atomic
def _upsert(competition: Competition, identities: list[ModelIdentity]) -> None:
    # Indexes are given out one at a time: two first sightings must not get the same.
    Competition.objects.select_for_update().get(pk=competition.pk)
    now = clock.now()
    crunchers = _upsert_crunchers(competition, identities)
    ParticipantModel.objects.bulk_create(
        [
            ParticipantModel(
                competition=competition,
                model_id=identity.model_id,
                name=identity.name,
                cruncher=crunchers[identity.cruncher_id],
                deployment_id=identity.deployment_id,
                state=identity.state,
                last_seen_at=now,
                created_at=now,
                updated_at=now,
            )
            for identity in identities
        ],
        update_conflicts=True,
        unique_fields=["competition", "model_id"],
        update_fields=[
            "name",
            "cruncher",
            "deployment_id",
            "state",
            "last_seen_at",
            "updated_at",
        ],
    )


def _upsert_crunchers(
    competition: Competition, identities: list[ModelIdentity]
) -> Mapping[str, Cruncher]:
    known = {c.cruncher_id: c for c in competition.crunchers.all()}
    highest = competition.crunchers.aggregate(Max("cruncher_index"))
    next_index = (highest["cruncher_index__max"] or 0) + 1 if known else 0
    now = clock.now()
    rows = {}
    for identity in identities:
        if identity.cruncher_id in rows:
            continue
        before = known.get(identity.cruncher_id)
        rows[identity.cruncher_id] = Cruncher(
            competition=competition,
            cruncher_id=identity.cruncher_id,
            name=identity.cruncher_name,
            wallet=identity.wallet,
            cruncher_index=before.cruncher_index if before else next_index,
            created_at=now,
        )
        next_index += before is None
    Cruncher.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["competition", "cruncher_id"],
        update_fields=["name", "wallet"],
    )
    return {
        c.cruncher_id: c for c in competition.crunchers.filter(cruncher_id__in=rows)
    }


def record_errors(
    *,
    models: Mapping[str, int],
    errors: Mapping[str, str],
    well: Collection[str] = (),
) -> None:
    """Keep each failing model's own last error where its owner sees it, and since when.

    Those that did `well` fail no longer; what they said last stays. Two statements.
    """
    now = clock.now()
    failing = [
        ParticipantModel(
            pk=models[model_id],
            last_error=text,
            last_error_at=now,
            # Which is `now` for NULL, and for what a clock noted that was ahead.
            first_error_at=Least(F("first_error_at"), Value(now)),
            updated_at=now,
        )
        for model_id, text in errors.items()
    ]
    if failing:
        ParticipantModel.objects.bulk_update(
            failing, ["last_error", "last_error_at", "first_error_at", "updated_at"]
        )
    if well:
        ParticipantModel.objects.filter(
            pk__in=[models[model_id] for model_id in well], first_error_at__isnull=False
        ).update(first_error_at=None, updated_at=now)
