import pytest

from tests import factories
from tests.conftest import NOW


@pytest.fixture
def world(db, tape, frozen_clock):
    return factories.running_competition(at=NOW, models=3, hours=2)


@pytest.fixture
def asked(client, world):
    """`asked("models", limit=2)` is the JSON of a list."""

    def ask(path, **query):
        answer = client.get(f"/api/v1/{path}", query)
        assert answer.status_code == 200, answer.json()
        return answer.json()

    return ask


@pytest.fixture
def walked(client, world):
    """`walked("models", limit=2)` follows `next` and returns all rows."""

    def walk(path, between=lambda: None, **query):
        rows, url = [], f"/api/v1/{path}"
        while url:
            answer = client.get(url, query)
            page = answer.json()
            link = f'<{page["next"]}>; rel="next"' if page["next"] else None
            assert answer.get("Link") == link
            rows += page["results"]
            url, query = page["next"], {}
            between()
        return rows

    return walk
