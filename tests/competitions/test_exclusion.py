"""Models are excluded from ranking and pay, and readmitted, for a public reason."""

import threading

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from competitions.errors import ExclusionError
from competitions.exclusion import exclude, readmit
from competitions.models import ParticipantModel
from crunchsite.events.models import Event
from tests import factories
from tests.conftest import NOW


@pytest.fixture
def user(db):
    return User.objects.create_user("ops")


@pytest.fixture
def model(db, frozen_clock):
    return factories.participants(factories.competition(), 2, at=NOW)[0]


def test_a_model_is_excluded_and_readmitted_with_trail_and_facts(model, user):
    exclude(model=model.pk, reason="it copies m2", user=user)
    model.refresh_from_db()
    assert (model.excluded_at, model.exclusion_reason) == (NOW, "it copies m2")
    assert [*ParticipantModel.objects.eligible()] == [
        *ParticipantModel.objects.exclude(pk=model.pk)
    ]
    readmit(model=model.pk, reason="it was the other way round", user=user)
    model.refresh_from_db()
    assert (model.excluded_at, model.exclusion_reason) == (None, "")
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "Excluded. Reason: it copies m2",
        (
            "Readmitted, was excluded since 2026-03-02T12:00:00+00:00: it copies m2. "
            "Reason: it was the other way round"
        ),
    ]
    told = Event.objects.order_by("pk").values_list("kind", "competition", "payload")
    of = model.competition_id, model.model_id
    assert [(kind, (c, p["model_id"]), p["reason"]) for kind, c, p in told] == [
        ("model.excluded", of, "it copies m2"),
        ("model.readmitted", of, "it was the other way round"),
    ]


def test_who_is_out_is_not_excluded_again_nor_who_is_in_readmitted(model, user):
    with pytest.raises(ExclusionError, match="is not excluded"):
        readmit(model=model.pk, reason="why not", user=user)
    exclude(model=model.pk, reason="first", user=user)
    with pytest.raises(ExclusionError, match=r"excluded since .* already: first"):
        exclude(model=model.pk, reason="second", user=user)
    model.refresh_from_db()
    assert model.exclusion_reason == "first"
    assert (LogEntry.objects.count(), Event.objects.count()) == (1, 1)


def test_an_ensemble_cannot_be_excluded(model, user):
    ParticipantModel.objects.update(is_virtual=True)
    with pytest.raises(ExclusionError, match="is an ensemble"):
        exclude(model=model.pk, reason="x", user=user)


@pytest.mark.parametrize(
    "half", [{"excluded_at": NOW}, {"exclusion_reason": "a reason, and no instant"}]
)
def test_an_exclusion_is_stored_with_its_reason_or_not_at_all(model, half):
    with pytest.raises(IntegrityError), transaction.atomic():
        ParticipantModel.objects.filter(pk=model.pk).update(**half)


@pytest.mark.django_db(transaction=True)
def test_of_two_that_exclude_at_once_one_does(frozen_clock):
    model = factories.participants(factories.competition(), 1, at=NOW)[0]
    user, ended = User.objects.create_user("ops"), []
    together = threading.Barrier(2)

    def run(reason):
        together.wait(timeout=60)
        try:
            exclude(model=model.pk, reason=reason, user=user)
        except ExclusionError:
            ended.append("refused")
        else:
            ended.append(reason)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[each]) for each in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    model.refresh_from_db()
    assert sorted(ended) == sorted(["refused", model.exclusion_reason])
    assert (LogEntry.objects.count(), Event.objects.count()) == (1, 1)
