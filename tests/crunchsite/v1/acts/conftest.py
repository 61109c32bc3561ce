"""A world, keys to it, and a program that acts with one."""

import pytest
from django.test import Client

from crunchsite.keys.issuing import create_key
from tests import factories


@pytest.fixture
def world(db, tape, frozen_clock):
    """Two models, three hours old."""
    return factories.running_competition(at=frozen_clock, models=2, hours=3)


class Program:
    """What a program sees of `/api/v1/` with its key."""

    def __init__(self, token: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **query):
        return self.client.get(f"/api/v1/{path}", query, headers=self.headers)

    def post(self, path: str, body=None, *, once: str = "", **options):
        headers = {**self.headers, **({"Idempotency-Key": once} if once else {})}
        options.setdefault("content_type", "application/json")
        body = {} if body is None else body
        return self.client.post(f"/api/v1/{path}", body, headers=headers, **options)

    def delete(self, path: str):
        return self.client.delete(f"/api/v1/{path}", headers=self.headers)


@pytest.fixture
def program(db, frozen_clock):
    """Make a program: `program("write:operate", competition=...)`."""
    return lambda *scopes, **of: Program(create_key(name="bot", scopes=scopes, **of)[1])


@pytest.fixture
def operator(program):
    return program("write:operate")
