"""The operator's pages to exclude a model and to readmit it."""

import pytest

from competitions.models import ParticipantModel
from tests import factories
from tests.conftest import NOW

pytestmark = pytest.mark.django_db
PAGE = "/admin/competitions/participantmodel"


@pytest.fixture
def model(db, frozen_clock):
    return factories.participants(factories.competition(), 2, at=NOW)[0]


def test_a_model_is_excluded_and_readmitted_on_its_pages(admin_client, model):
    page = admin_client.get(f"{PAGE}/{model.pk}/change/").content.decode()
    for name in ("exclude", "readmit"):
        assert f"participantmodel/{model.pk}/{name}_model" in page
    asked = admin_client.get(f"{PAGE}/{model.pk}/exclude/").content.decode()
    assert "without a rank" in asked
    assert "Everybody reads it" in asked
    admin_client.post(f"{PAGE}/{model.pk}/exclude/", {"reason": "it copies"})
    model.refresh_from_db()
    assert (model.excluded_at, model.exclusion_reason) == (NOW, "it copies")
    again = admin_client.get(f"{PAGE}/{model.pk}/exclude/").content.decode()
    assert "It is excluded since 02 Mar 12:00 UTC: it copies." in again
    assert "<form method" not in again.split("op-narrow")[1]
    admin_client.post(f"{PAGE}/{model.pk}/readmit/", {"reason": "it did not"})
    model.refresh_from_db()
    assert model.excluded_at is None
    page = admin_client.get(f"{PAGE}/{model.pk}/readmit/").content.decode()
    assert "It is not excluded." in page


def test_without_a_reason_nothing_is_done(admin_client, model):
    answer = admin_client.post(f"{PAGE}/{model.pk}/exclude/", {"reason": " "})
    assert answer.status_code == 200
    assert not ParticipantModel.objects.filter(excluded_at__isnull=False).exists()


def test_an_ensemble_has_nothing_to_be_excluded_from(admin_client, model):
    ParticipantModel.objects.update(is_virtual=True)
    page = admin_client.post(f"{PAGE}/{model.pk}/exclude/", {"reason": "x"})
    assert "An ensemble is never ranked or paid" in page.content.decode()


def test_the_list_tells_and_filters_who_is_excluded(admin_client, model):
    ParticipantModel.objects.filter(pk=model.pk).update(
        excluded_at=NOW, exclusion_reason="it copies"
    )
    rows = admin_client.get(f"{PAGE}/", {"excluded_at__isempty": "0"})
    assert [each.pk for each in rows.context["cl"].result_list] == [model.pk]
