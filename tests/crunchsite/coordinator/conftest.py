"""A small web server that answers like a site, and the program's exit codes."""

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest

from crunchsite.coordinator import cli
from tests.serving import serving


class FakeSite:
    """Answers of a site by path: a value, or a function that is called each time."""

    def __init__(self) -> None:
        self.answers = {
            "/healthz": {"status": "ok"},
            "/reports/models": [],
            "/reports/predictions": [],
            "/reports/leaderboard": [],
            "/reports/schema": {},
            "/api/v1/models": {"results": []},
        }
        self.statuses: dict[str, int] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.date = ""


@pytest.fixture
def site():
    fake = FakeSite()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = urlsplit(self.path).path
            fake.asked.append(self.path)
            fake.headers.append(dict(self.headers))
            answer = fake.answers.get(path)
            answer = answer() if callable(answer) else answer
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(fake.statuses.get(path, 404 if answer is None else 200))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp=None):
            return fake.date or super().date_time_string(timestamp)

        def log_message(self, *_):
            pass

    with serving(Handler) as server:
        fake.url = server.url
        yield fake


@pytest.fixture
def coordinator():
    """Run a command in this process; returns its exit code, 0 for None."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        return left.value.code or 0

    return run


@pytest.fixture
def configured(settings):
    """Return a function that changes variables of the environment."""

    def change(**variables):
        settings.ENV = settings.ENV.model_copy(update=variables)

    return change
