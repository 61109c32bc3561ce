"""Attacks on the site, in a short form that every run of the suite holds, and in full.

`make attack` (ATTACKS=1) runs the full form and prints what was tried, what held it and
what was seen. A test is a row of that table by its marker:

    @pytest.mark.attack("fifty slow clients", held_by="waitress reads for them")
    def test_...(seen): seen("/healthz in 12 ms")

Each attack stays on loopback, and within 64 processes, 512 MB and 50 MB of disk.
"""

import os
import resource
import socket
import subprocess
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from competitions.local_models.trees import remove_tree
from crunchsite.settings.env import BASE_DIR
from crunchsite.settings.places import embedded_database_url
from crunchsite.settings.test import SERVERS_DIR
from crunchsite.stack.part_commands import is_listening, web_command
from tests.competitions.gateway.conftest import stage as stage  # noqa: PLC0414
from tests.ports import free_port

FULL = bool(os.environ.get("ATTACKS"))
LARGEST_MEMORY = 512 * 2**20
LARGEST_DOWNLOAD = 40 * 2**20
ROW = "attack"


@pytest.fixture
def seen(request):
    """Note what an attack came to, for the table: `seen("refused with 413")`."""

    def note(text: str) -> None:
        request.node.user_properties.append(("seen", text))

    return note


def pytest_runtest_setup(item: pytest.Item) -> None:
    if marker := item.get_closest_marker("attack"):
        row = (marker.args[0], marker.kwargs["held_by"])
        item.user_properties.append((ROW, row))


def pytest_terminal_summary(terminalreporter) -> None:
    if FULL and (rows := list(_rows(terminalreporter))):
        terminalreporter.section("attack | held by | seen")
        for row in rows:
            terminalreporter.write_line(" | ".join(row))


def _rows(reporter):
    """One row for each attack: what its tests noted, or that one of them failed."""
    found = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in reporter.stats.get(outcome, []):
            told = getattr(report, "user_properties", [])
            for row in [tuple(value) for name, value in told if name == ROW]:
                notes = found.setdefault(row, [])
                if outcome != "passed":
                    notes.append(f"{outcome.upper()} ({report.nodeid})")
                notes += [text for name, text in told if name == "seen"]
    for row, notes in found.items():
        yield (*row, "; ".join(dict.fromkeys(notes)) or "held")


class Served:
    """The site as `make up` serves it, in a process of its own, with bounded memory."""

    def __init__(self, folder: Path, *, database: str) -> None:
        self.port = free_port()
        self.folder = folder
        downloads = folder / "downloads" / "simulated" / "BTCUSDT" / "candle" / "1m"
        downloads.mkdir(parents=True)
        with (downloads / "2026-01-01.parquet").open("wb") as large:
            large.truncate(LARGEST_DOWNLOAD)  # sparse: it takes no room on the disk
        self.log = folder / "web.log"
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
            "DATABASE_URL": embedded_database_url(SERVERS_DIR, database),
            "REDIS_URL": settings.REDIS_URL,
            "VAR_DIR": str(folder / "var"),
            "BACKFILL_DATA_DIR": str(folder / "downloads"),
            "API_RATE_PER_ADDRESS": "0",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in web_command(self.port)],
                cwd=BASE_DIR,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        bound = (LARGEST_MEMORY, LARGEST_MEMORY)
        resource.prlimit(self.process.pid, resource.RLIMIT_DATA, bound)

    def wait(self) -> None:
        end = time.monotonic() + 60
        while not is_listening(self.port):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        self.health()  # the first request imports what all others find

    def connect(self, timeout_s: float = 60) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def say(self, data: bytes, *, timeout_s: float = 60) -> bytes:
        """Send bytes; returns the beginning of the answer, empty when it hung up."""
        with self.connect(timeout_s) as link:
            try:
                link.sendall(data)
                link.shutdown(socket.SHUT_WR)
                return link.recv(65536)
            except ConnectionError:
                return b""

    def health(self) -> tuple[int, float]:
        """Ask `/healthz`; returns the status and the seconds that it took."""
        start = time.monotonic()
        answer = self.say(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return int(answer.split()[1]), time.monotonic() - start

    def memory(self) -> int:
        """Return the bytes that the process holds in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        remove_tree(self.folder)


@pytest.fixture(scope="module")
def served(tmp_path_factory, django_db_setup):
    """A site over the tests' database, which is empty."""
    name = connection.settings_dict["NAME"]
    site = Served(tmp_path_factory.mktemp("served"), database=name)
    try:
        site.wait()
        yield site
    finally:
        site.stop()
