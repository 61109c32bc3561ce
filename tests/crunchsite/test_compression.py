import gzip

import pytest

from tests import factories
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
GZIP = {"Accept-Encoding": "gzip"}


@pytest.fixture
def world(db, tape, frozen_clock):
    return factories.running_competition(at=NOW, models=3, hours=2)


@pytest.mark.parametrize(
    "path", ["/reports/leaderboard", "/api/v1/scores", "/api/v1/scores?format=csv"]
)
def test_texts_of_the_api_are_compressed_for_who_takes_them(path, client, world):
    plain = client.get(path)
    small = client.get(path, headers=GZIP)
    assert "Content-Encoding" not in plain
    assert small["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.getvalue()) == plain.getvalue()
    assert "Accept-Encoding" in small["Vary"]


def test_an_etag_of_either_is_known(client, world):
    path = "/reports/leaderboard"
    small = client.get(path, headers=GZIP)
    assert small["ETag"].startswith('W/"')
    for headers in ({}, GZIP):
        etag = client.get(path, headers=headers)["ETag"]
        again = client.get(path, headers={**GZIP, "If-None-Match": etag})
        assert again.status_code == 304


@pytest.mark.parametrize("path", ["/", "/api/v1/scores?format=parquet"])
def test_pages_and_parquet_are_sent_as_they_are(path, client, world):
    assert "Content-Encoding" not in client.get(path, headers=GZIP)
