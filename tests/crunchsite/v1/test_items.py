"""Single rows of the lists, at addresses of their own."""

from datetime import timedelta

import pytest

from competitions.models import Competition
from crunchsite.keys.issuing import create_key
from scoring.models import Score
from tests import factories
from tests.attacks.test_lists import TEXTS

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

# What names a row of each list.
KEYS = {
    "competitions": "slug",
    "models": "model_id",
    "rounds": "id",
    "predictions": "id",
    "scores": "id",
    "snapshots": "id",
    "leaderboards": "id",
    "leaderboard": "model_id",
    "checkpoints": "id",
    "feeds": "feed",
    "releases": "version",
}
CODES = {
    "competitions": "competition_not_found",
    "models": "model_not_found",
    "snapshots": "snapshot_not_found",
    "leaderboard": "model_not_found",
    "checkpoints": "checkpoint_not_found",
}
NUMBERED = [path for path, key in KEYS.items() if key == "id"]
OF_ONE = ["models", "leaderboard"]  # names that are only known in their competition


def address(path, row):
    return f"/api/v1/{path}/{row[KEYS[path]]}"


@pytest.mark.parametrize("path", KEYS)
def test_a_row_has_an_address_and_is_there_as_in_its_list(path, client, asked):
    for row in asked(path)["results"]:
        answer = client.get(address(path, row))
        assert (answer.status_code, answer.json()) == (200, row)
        again = client.get(
            address(path, row), headers={"If-None-Match": answer["ETag"]}
        )
        assert again.status_code == 304
    names = list(row)[:2]
    chosen = client.get(address(path, row), {"fields": ",".join(names)})
    assert chosen.json() == {name: row[name] for name in names}
    unknown = client.get(address(path, row), {"fields": "secret"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "field_unknown")


@pytest.mark.parametrize("path", KEYS)
def test_what_is_not_there_is_not_found(path, client, world):
    code = CODES.get(path, "not_found")
    for text in ["none", *TEXTS[:6], TEXTS[-1], "7.0", "+1", "1_0"]:
        answer = client.get(f"/api/v1/{path}/{text.replace('%', '%25')}")
        assert (answer.status_code, answer.json()["code"]) == (404, code), text


@pytest.mark.parametrize("path", [*NUMBERED, *OF_ONE, "competitions"])
def test_a_row_of_a_draft_is_for_operators(path, client, asked, admin_client):
    row = asked(path)["results"][0]
    Competition.objects.update(status=Competition.Status.DRAFT)
    query = {"competition": "btc-demo"} if path in OF_ONE else {}
    assert client.get(address(path, row), query).status_code == 404
    assert admin_client.get(address(path, row), query).json()[KEYS[path]]


@pytest.mark.parametrize("path", [*NUMBERED, *OF_ONE, "competitions"])
def test_a_key_of_another_competition_does_not_reach_a_row(path, client, asked):
    row = asked(path)["results"][0]
    other = factories.competition("other-cup")
    _, token = create_key(name="bot", scopes=["read"], competition=other)
    query = {"competition": "btc-demo"} if path in OF_ONE else {}
    answer = client.get(address(path, row), query, headers={"X-API-Key": token})
    assert (answer.status_code, answer.json()["code"]) == (403, "key_out_of_reach")


def test_a_checkpoint_is_named_with_and_without_its_letters(client, world):
    [number, *_] = [checkpoint.pk for checkpoint in world.checkpoints]
    told = client.get(f"/api/v1/checkpoints/CKP_{number}").json()
    assert told["id"] == number


def test_a_line_is_read_on_a_board_that_was_kept(client, asked):
    kept = asked("leaderboards")["results"]
    newest = client.get("/api/v1/leaderboard/m2").json()
    assert newest["as_of"] == kept[0]["as_of"]
    before = client.get("/api/v1/leaderboard/m2", {"as_of": kept[0]["as_of"]})
    assert before.json()["code"] == "model_not_found"  # that board has no lines


def test_a_score_that_was_replaced_is_still_at_its_address(client, asked, world):
    row = asked("scores")["results"][0]
    score = Score.objects.get(pk=row["id"])
    score.pk, score.scoring_version = None, 2
    score.save(force_insert=True)
    assert row not in asked("scores")["results"]
    assert client.get(address("scores", row)).json() == row


WRITTEN = {"predictions": "performed_at", "scores": "scored_at"}


@pytest.mark.parametrize("path", WRITTEN)
def test_a_row_that_never_changes_was_modified_when_it_was_written(
    path, client, asked, at, world
):
    row = asked(path, limit=1)["results"][0]
    with at(world.board.as_of + timedelta(hours=1)):
        answer = client.get(address(path, row))
        since = {"If-Modified-Since": answer["Last-Modified"]}
        assert client.get(address(path, row), headers=since).status_code == 304
