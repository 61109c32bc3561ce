"""`Last-Modified`, where a list only grows and each row has the instant it came."""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from competitions.models import Prediction
from crunchsite.v1.caching import SETTLED
from emissions.models import Checkpoint
from tests.conftest import NOW
from tests.crunchsite.v1.test_lists import LISTS

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

SECOND = timedelta(seconds=1)
GROWING = {
    "predictions": "performed_at",
    "scores?include_superseded=true": "scored_at",
    "ledger": "created_at",
    "rewards": "period_end",  # a checkpoint of the factory's is made at its end
}
FORMS = ["json", "csv", "parquet"]


@pytest.fixture
def later(at, world):
    with at(NOW + timedelta(hours=1)):
        yield


def url(path, **query):
    path, _, own = path.partition("?")
    rest = "&".join([own, *(f"{name}={value}" for name, value in query.items())])
    return f"/api/v1/{path}?{rest}"


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", GROWING)
def test_a_list_was_modified_when_its_newest_row_came(path, form, client):
    rows = client.get(url(path, limit=1000)).json()["results"]
    newest = max(datetime.fromisoformat(row[GROWING[path]]) for row in rows)
    answer = client.get(url(path, format=form))
    told = parsedate_to_datetime(answer["Last-Modified"])
    assert told == newest.replace(microsecond=0)
    same = {"If-Modified-Since": answer["Last-Modified"]}
    again = client.get(url(path, format=form), headers=same)
    assert (again.status_code, again.content) == (304, b"")
    earlier = {"If-Modified-Since": f"{told - SECOND:%a, %d %b %Y %H:%M:%S GMT}"}
    assert client.get(url(path, format=form), headers=earlier).status_code == 200


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("form", FORMS)
def test_a_row_that_comes_is_told_of(form, client):
    address = url("predictions", format=form)
    before = {"If-Modified-Since": client.get(address)["Last-Modified"]}
    row = Prediction.objects.order_by("performed_at").last()
    row.delete()
    row.pk, row.performed_at = None, row.performed_at + SECOND
    row.save(force_insert=True)
    assert client.get(address, headers=before).status_code == 200


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("form", FORMS)
def test_an_ensembles_answer_that_comes_is_told_of(form, client, world, blended):
    """It comes when its round is resolved, long after the models had been asked."""
    until = f"{world.rounds[5].slot_at:%Y-%m-%dT%H:%M:%SZ}"
    address = url("predictions", format=form, until=until)
    before = {"If-Modified-Since": client.get(address)["Last-Modified"]}
    made = blended(world.rounds[4])
    answer = client.get(address, headers=before)
    assert answer.status_code == 200
    came_at = made.round.resolved_at.replace(microsecond=0)
    assert parsedate_to_datetime(answer["Last-Modified"]) == came_at


@pytest.mark.usefixtures("later")
def test_a_page_that_gets_a_next_one_was_modified(client):
    Prediction.objects.exclude(pk=Prediction.objects.first().pk).delete()
    last = Prediction.objects.get()
    address = url("predictions", limit=1)
    before = client.get(address)
    assert before.json()["next"] is None
    earlier = last.round
    earlier.pk, earlier.slot_at = None, earlier.slot_at - timedelta(hours=9)
    earlier.save(force_insert=True)
    last.pk, last.round = None, earlier
    last.performed_at += SECOND
    last.save(force_insert=True)
    since = {"If-Modified-Since": before["Last-Modified"]}
    assert client.get(address, headers=since).json()["next"]


@pytest.mark.parametrize("form", FORMS)
def test_what_came_this_minute_is_not_told_yet(form, client, world, at):
    """Another row of the same second can still be committed."""
    Checkpoint.objects.update(created_at=NOW)
    for age, is_told in ((SETTLED - SECOND, False), (SETTLED, True)):
        with at(NOW + age):
            answer = client.get(url("rewards", format=form))
            assert answer.has_header("Last-Modified") is is_told


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("path", [each for each in LISTS if each not in GROWING])
def test_a_list_whose_rows_change_or_leave_tells_no_instant(path, client):
    """A cache that asks by the instant alone would never learn of it."""
    assert not client.get(url(path)).has_header("Last-Modified")


@pytest.mark.usefixtures("later")
def test_the_etag_decides_where_both_are_sent(client):
    answer = client.get(url("predictions"))
    both = {"If-None-Match": '"other"', "If-Modified-Since": answer["Last-Modified"]}
    assert client.get(url("predictions"), headers=both).status_code == 200
