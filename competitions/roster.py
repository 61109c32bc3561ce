"""Store the roster: the models and crunchers that the orchestrator announces."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from django.db import connection, transaction
from django.db.models import Max

from competitions.gateway.types import ModelIdentity
from competitions.models import Competition, Cruncher, ParticipantModel
from competitions.models.participants import QUARANTINE
from core import clock
from core.facts import Fact, FactKind, announce

log = structlog.get_logger(__name__)

MOST_NAMED = 20  # models named in one fact


class _Known(NamedTuple):
    """A model's row as stored, under the names that `values_list` takes."""

    model_id: str
    pk: int
    name: str
    deployment_id: str
    state: str
    cruncher__cruncher_id: str
    cruncher__name: str
    cruncher__wallet: str
    last_error: str
    first_error_at: datetime | None

    def is_current(self, identity: ModelIdentity) -> bool:
        """Return whether the row agrees with the orchestrator's announcement."""
        return (
            self.name == identity.name
            and self.deployment_id == identity.deployment_id
            and self.state == identity.state
            and self.cruncher__cruncher_id == identity.cruncher_id
            and self.cruncher__name == identity.cruncher_name
            and self.cruncher__wallet == identity.wallet
        )


def sync_roster(
    *,
    competition: Competition,
    identities: Collection[ModelIdentity],
    is_complete: bool = False,
) -> dict[str, int]:
    """Update the rows to what the orchestrator announced; return the expected models.

    The result maps `model_id` to primary key. One statement when nothing changed. The
    error of a model's newest connection or setup is stored where its owner sees it. A
    model that is not among `identities` stays expected (its answer is ABSENT) until it
    is announced as STOPPED. If `identities` are complete, a missing model has left.
    """
    stopped = ParticipantModel.State.STOPPED
    known = {
        row[0]: _Known(*row)
        for row in ParticipantModel.objects.real()
        .filter(competition=competition)
        .values_list(*_Known._fields)
    }
    changed, failing = [], {}
    for identity in identities:
        row = known.get(identity.model_id)
        if row is None or not row.is_current(identity):
            changed.append(identity)
        is_recorded = (
            row is not None
            and row.last_error == identity.error
            and row.first_error_at is not None
        )
        if identity.error and not is_recorded:
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
        row.model_id: row.pk
        for row in known.values()
        if is_complete and row.model_id not in present and row.state != stopped
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
        row.model_id: row.pk
        for row in known.values()
        if row.state != stopped and row.model_id not in left
    }


@transaction.atomic
def _upsert(competition: Competition, identities: list[ModelIdentity]) -> None:
    # One at a time: two new crunchers must not get the same index.
    Competition.objects.held().get(pk=competition.pk)
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


_FAIL = """
    UPDATE models SET
        last_error = failing.text,
        last_error_at = %(now)s,
        -- `now` in place of NULL, and of an instant by a clock that was ahead
        first_error_at = LEAST(before.first_error_at, %(now)s),
        updated_at = %(now)s
    FROM unnest(%(models)s::bigint[], %(texts)s::text[]) AS failing(id, text)
    JOIN models AS before USING (id)
    WHERE models.id = failing.id
    RETURNING models.competition_id, models.model_id, models.state, failing.text,
        before.last_error, before.first_error_at
"""

_RECOVER = """
    UPDATE models SET first_error_at = NULL, updated_at = %s
    WHERE id = ANY(%s) AND first_error_at IS NOT NULL
"""


@transaction.atomic(savepoint=False)
def record_errors(
    *,
    models: Mapping[str, int],
    errors: Mapping[str, str],
    well: Collection[str] = (),
) -> None:
    """Store each failing model's newest error, and since when it has failed.

    Models in `well` no longer fail; their last error is kept. Two statements, and one
    more to announce models that begin to fail.
    """
    now = clock.now()
    if errors:
        with connection.cursor() as cursor:
            cursor.execute(
                _FAIL,
                {
                    "now": now,
                    "models": [models[model_id] for model_id in errors],
                    "texts": list(errors.values()),
                },
            )
            announce(*_begun([_Failure(*row) for row in cursor.fetchall()]))
    if well:
        with connection.cursor() as cursor:
            cursor.execute(_RECOVER, [now, [models[model_id] for model_id in well]])


class _Failure(NamedTuple):
    """A model that fails now, and its state before."""

    competition_id: int
    model_id: str
    state: str
    text: str
    text_before: str
    failing_since: datetime | None

    @property
    def is_quarantine(self) -> bool:
        return self.state == "STOPPED" and self.text.startswith(QUARANTINE)


def _begun(failures: Sequence[_Failure]) -> Iterator[Fact]:
    """Return facts about the models that begin to fail, and those newly quarantined.

    The facts do not contain the error texts, which are for the models' owners.
    """
    quarantined = [f for f in failures if f.is_quarantine and f.text != f.text_before]
    failed = [f for f in failures if not f.is_quarantine and f.failing_since is None]
    for kind, begun in (
        (FactKind.MODEL_QUARANTINED, quarantined),
        (FactKind.MODEL_FAILED, failed),
    ):
        if begun:
            names = sorted(failure.model_id for failure in begun)
            payload = {"models": names[:MOST_NAMED], "count": len(names)}
            yield Fact(kind, begun[0].competition_id, payload)
