"""Submissions over /api/v1/: a participant's own key, once for a key, nobody else's."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test.client import MULTIPART_CONTENT

from competitions.models import Competition, Cruncher, SubmittedVersion
from competitions.submissions.check_queue import check_version
from crunchsite.keys.issuing import revoke_key
from crunchsite.keys.models import ApiKey
from tests.competitions.submissions.conftest import GOOD, RAISES, site  # noqa: F401

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.usefixtures("site"),
]


@pytest.fixture
def keys(program, world):
    """Programs of the two crunchers, by name."""
    return {
        name: program("write:models", cruncher=Cruncher.objects.get(cruncher_id=name))
        for name in ("cr-alice", "cr-bram")
    }


@pytest.fixture
def alice(keys):
    return keys["cr-alice"]


@pytest.fixture
def bram(keys):
    return keys["cr-bram"]


def push(program, text="x = 1", *, once="", name="mine.py", **fields):
    file = SimpleUploadedFile(name, text.encode())
    body = {"file": file, "consent": "true", **fields}
    return program.post("submissions", body, content_type=MULTIPART_CONTENT, once=once)


def refusal(answer):
    return answer.status_code, answer.json()["code"]


def test_the_answer_names_what_was_made_and_what_is_left(alice, world):
    answer = push(alice, message="first")
    row = SubmittedVersion.objects.get()
    assert answer.status_code == 201, answer.json()
    assert answer.json() == {
        "id": row.pk,
        "model_id": "mine",
        "version": 1,
        "status": "QUEUED",
        "competition": "btc-demo",
        "quota": {
            "per_day": 5,
            "used": 1,
            "left": 4,
            "resets_at": answer.json()["quota"]["resets_at"],
        },
    }
    assert alice.get("submissions/quota").json() == answer.json()["quota"]
    (listed,) = alice.get("submissions").json()["results"]
    assert (listed["version"], listed["message"]) == (1, "first")


def test_a_push_that_comes_again_with_its_key_is_done_once(alice):
    first = push(alice, once="p-1")
    again = push(alice, once="p-1")
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"
    assert SubmittedVersion.objects.count() == 1
    assert refusal(push(alice, "x = 2", once="p-1")) == (422, "idempotency_mismatch")


def test_the_quota_ends_with_a_clear_refusal(alice):
    for _ in range(5):
        assert push(alice).status_code == 201
    answer = push(alice)
    assert refusal(answer) == (429, "quota_used_up")
    assert "submit again from 2026-" in answer.json()["detail"]


def test_what_a_revoked_key_has_submitted_does_not_go_live(alice, program):
    first, second = (
        SubmittedVersion.objects.get(pk=push(alice, text).json()["id"])
        for text in ("x = 1", "x = 2")
    )
    other = program("write:models", cruncher=first.cruncher)
    third = SubmittedVersion.objects.get(pk=push(other, "x = 3").json()["id"])
    assert check_version(first, check=lambda *_: GOOD)
    key = ApiKey.objects.order_by("created_at", "pk").first()

    def leaked_meanwhile(*_):
        assert revoke_key(key_id=key.pk)
        return GOOD

    assert not check_version(second, check=leaked_meanwhile)
    assert refusal(push(alice)) == (401, "key_revoked")
    assert refusal(alice.get("submissions")) == (401, "key_revoked")
    for row in (first, second, third):
        row.refresh_from_db()
    # What was live stays; what another key of theirs submitted waits on.
    assert [row.status for row in (first, second, third)] == [
        "LIVE",
        "REFUSED",
        "QUEUED",
    ]
    assert second.code == "key_revoked"
    assert not check_version(second, check=lambda *_: GOOD)
    second.refresh_from_db()
    assert second.status == "REFUSED"
    assert check_version(third, check=lambda *_: GOOD)


def test_nothing_of_one_participant_is_readable_by_another(alice, bram, operator):
    push(alice)
    row = SubmittedVersion.objects.get()
    check_version(row, check=lambda *_: RAISES)
    told = alice.get(f"submissions/{row.pk}").json()
    assert (told["code"], told["result"]["answered"]) == ("check_answers_failed", 0)
    (listed,) = alice.get("submissions").json()["results"]
    assert "result" not in listed  # it may be long
    assert bram.get("submissions").json()["results"] == []
    assert refusal(bram.get(f"submissions/{row.pk}")) == (404, "submission_not_found")
    assert [r["id"] for r in operator.get("submissions").json()["results"]] == [row.pk]
    taken = push(bram, name="m1.py")
    assert refusal(taken) == (409, "model_taken")


def test_who_is_no_participant_submits_nothing(operator, program, client, world):
    assert refusal(push(operator)) == (403, "cruncher_key_needed")
    assert refusal(operator.get("submissions/quota")) == (403, "cruncher_key_needed")
    reader = program("read", cruncher=Cruncher.objects.get(cruncher_id="cr-alice"))
    for answer in (
        push(reader),
        reader.get("submissions"),
        reader.get("submissions/quota"),
        program("read").get("submissions"),
    ):
        assert refusal(answer) == (403, "scope_insufficient")
    assert client.get("/api/v1/submissions").status_code == 401
    assert not SubmittedVersion.objects.exists()


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"consent": ""}, (422, "consent_missing")),
        ({"consent": "no"}, (422, "consent_missing")),
        ({"file": "text"}, (422, "invalid")),
        ({"message": "x" * 301}, (422, "max_length")),
        ({"name": "../x"}, (409, "local_model_invalid")),
        ({"name": "mine.zip"}, (201, None)),
    ],
)
def test_what_is_no_submission_is_refused(alice, fields, refused):
    file = SimpleUploadedFile("mine.py", b"x = 1")
    body = {"file": file, "consent": "true", **fields}
    answer = alice.post("submissions", body, content_type=MULTIPART_CONTENT)
    assert (answer.status_code, answer.json().get("code")) == refused
    assert SubmittedVersion.objects.count() == (answer.status_code == 201)


def test_without_consent_nothing_is_submitted(alice):
    file = SimpleUploadedFile("mine.py", b"x = 1")
    answer = alice.post("submissions", {"file": file}, content_type=MULTIPART_CONTENT)
    assert refusal(answer) == (422, "consent_missing")


def test_a_competition_that_has_ended_takes_none(alice):
    Competition.objects.update(status="ENDED")
    assert refusal(push(alice)) == (409, "submissions_closed")


def test_the_public_list_counts_the_versions_that_took_part(alice, world):
    model = world.models[0].model_id
    for _ in range(3):
        assert push(alice, name=f"{model}.py").status_code == 201
    rows = SubmittedVersion.objects.order_by("version")
    for row, found in zip(rows, (GOOD, RAISES, GOOD), strict=True):
        check_version(row, check=lambda *_, found=found: found)
    listed = alice.get("models", fields="model_id,versions").json()["results"]
    assert {row["model_id"]: row["versions"] for row in listed} == {
        model: 2,
        world.models[1].model_id: None,
    }


@pytest.mark.django_db(databases=["default", "tape"], transaction=True)
def test_pushes_at_once_are_counted_one_by_one(alice):
    def push_apart(_):
        try:
            return push(alice)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(push_apart, range(8)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201] * 5 + [429] * 3
    versions = SubmittedVersion.objects.values_list("version", flat=True)
    assert sorted(versions) == [1, 2, 3, 4, 5]
