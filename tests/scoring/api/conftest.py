"""What the tests of this room share."""

from datetime import timedelta

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def get(client, path, **query):
    response = client.get(path, query)
    assert response.status_code == 200, response.content
    return response.json()
