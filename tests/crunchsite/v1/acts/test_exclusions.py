"""Models are excluded and readmitted over /api/v1/, once for a key, by operators."""

import pytest
from django.contrib.admin.models import LogEntry

from competitions.models import Competition, ParticipantModel
from tests import factories
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
MODEL = "competitions/btc-demo/models/m1"
WHY = {"reason": "it copies m2"}
OUT = {
    "model_id": "m1",
    "excluded_at": "2026-03-02T12:00:00Z",
    "exclusion_reason": "it copies m2",
}
IN = {"model_id": "m1", "excluded_at": None, "exclusion_reason": ""}


def trail():
    of_models = LogEntry.objects.filter(content_type__model="participantmodel")
    return [*of_models.order_by("pk").values_list("change_message", flat=True)]


def test_a_model_is_excluded_and_readmitted(operator, world):
    out = operator.post(f"{MODEL}/exclude", WHY)
    assert (out.status_code, out.json()) == (200, OUT)
    back = operator.post(f"{MODEL}/readmit", {"reason": "it was m2"})
    assert (back.status_code, back.json()) == (200, IN)
    assert [line.split(".")[0] for line in trail()] == [
        "Excluded",
        "Readmitted, was excluded since 2026-03-02T12:00:00+00:00: it copies m2",
    ]


def test_once_for_a_key_and_else_refused(operator, world):
    answers = [operator.post(f"{MODEL}/exclude", WHY, once="k-1") for _ in range(2)]
    assert [answer.json() for answer in answers] == [OUT, OUT]
    again = operator.post(f"{MODEL}/exclude", WHY)
    assert (again.status_code, again.json()["code"]) == (409, "exclusion_conflict")
    assert len(trail()) == 1


@pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "x" * 301}])
def test_without_a_reason_nobody_is_excluded(operator, world, body):
    assert operator.post(f"{MODEL}/exclude", body).status_code == 422
    assert not ParticipantModel.objects.filter(excluded_at__isnull=False).exists()


def test_a_cruncher_neither_excludes_nor_readmits_its_own_model(program, world):
    model = ParticipantModel.objects.get(model_id="m1")
    own = program("write:models", cruncher=model.cruncher)
    for act in ("exclude", "readmit"):
        answer = own.post(f"{MODEL}/{act}", WHY)
        assert (answer.status_code, answer.json()["code"]) == (
            *(403, "scope_insufficient"),
        )
    assert trail() == []


def test_a_model_that_is_not_there_is_not_found(operator, world):
    answer = operator.post("competitions/btc-demo/models/m9/exclude", WHY)
    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")


def test_a_model_of_a_draft_is_excluded_there_alone(operator, program, world):
    draft = factories.competition("draft", status=Competition.Status.DRAFT)
    factories.participants(draft, 2, at=NOW)
    path = "competitions/draft/models/m1/exclude"
    assert program("read").post(path, WHY).status_code == 403
    assert operator.post(path, WHY).json() == OUT
    out = ParticipantModel.objects.filter(excluded_at__isnull=False)
    assert [model.competition for model in out] == [draft]
