"""Starts PostgreSQL and Valkey for the tests (a pytest plugin, see pyproject.toml)."""

from pathlib import Path

import pytest

from crunchsite.stack.postgres import VOLATILE, Postgres
from crunchsite.stack.valkey import Valkey

VAR = Path(__file__).resolve().parent.parent / "var" / "test"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.option.collectonly or hasattr(config, "workerinput"):
        return
    servers = [Postgres(VAR, options=VOLATILE), Valkey(VAR, durable=False)]
    for server in servers:
        server.start()
        config.add_cleanup(server.stop)
