"""The API over HTTP, 8 connections at once, from the server that `manage.py up` runs.

The limit: a view of the same server that returns the leaderboard's bytes from memory,
behind the same middleware. Beside it, for each list: the 95th percentile of a page, the
processor time that the server takes for it and that the clients take, the statements
for short and for long pages, and whether its plan reads a whole large table; and the
memory and time that files of a quarter and of all predictions take.
"""

import argparse
import http.client
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks import _scoring
from benchmarks._api_clients import Storm, storm
from benchmarks._api_rows import fill
from benchmarks._api_site import BOARD, MEMORY
from benchmarks.measure import compare

RANGE = "start=2026-01-02T00:00:00Z&end=2026-01-03T00:00:00Z"
DAY = "since=2026-01-02T00:00:00Z&until=2026-01-03T00:00:00Z"
LISTS = (
    *("/api/v1/competitions", "/api/v1/models", "/api/v1/checkpoints"),
    *("/api/v1/leaderboards", "/api/v1/leaderboard", "/api/v1/rewards"),
    *("/api/v1/rounds", f"/api/v1/rounds?{DAY}", "/api/v1/rounds?status=VOID"),
    *("/api/v1/predictions", f"/api/v1/predictions?{DAY}"),
    *("/api/v1/predictions?model_id=m0007", "/api/v1/predictions?outcome=ANSWERED"),
    f"/api/v1/predictions?model_id=m0007,m0008&{DAY}",
    *("/api/v1/scores", f"/api/v1/scores?{DAY}", "/api/v1/scores?model_id=m0007"),
    "/api/v1/scores?as_of=2026-01-03T00:00:00Z",
    *("/api/v1/snapshots", f"/api/v1/snapshots?{DAY}"),
    *("/api/v1/snapshots?model_id=m0007", "/api/v1/snapshots?is_closed=true"),
    *("/reports/leaderboard", "/reports/models", "/reports/checkpoints"),
    *("/reports/snapshots", "/reports/snapshots?model_id=m0007"),
    f"/reports/predictions?limit=100&{RANGE}",
    f"/reports/predictions?limit=100&projectIds=m0007&{RANGE}",
    f"/reports/models/metrics?limit=100&{RANGE}",
    *(f"/reports/models/summary?{RANGE}", "/reports/models/m0007/ranks"),
    *("/reports/checkpoints/rewards?limit=1", "/reports/merkle/cycles"),
)
ASKED_MS, WARM_UP = 100, 40
LARGE = {"inputs", "predictions", "scores", "snapshots"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--snapshots", type=int, default=500_000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--requests", type=int, default=800, help="of each address")


def run(args: argparse.Namespace) -> dict[str, Any]:
    fill(models=args.models, predictions=args.predictions, snapshots=args.snapshots)
    with server() as site:
        for path in (BOARD, MEMORY):
            taken(site, path, args)
        result = compare(
            "api",
            ours=lambda: taken(site, BOARD, args),
            limit=lambda: taken(site, MEMORY, args),
            reset=lambda: None,
            repeats=args.repeats,
            requests=args.requests,
            connections=args.connections,
            bytes=len(ask(site.port, BOARD)),
        )
        result["lists"] = {path: figures(site, path, args) for path in LISTS}
    slow = {
        path: each["p95_ms"]
        for path, each in result["lists"].items()
        if each["p95_ms"] >= ASKED_MS
    }
    result["slower_than_asked"] = slow
    result["statements"] = {path: statements(path) for path in LISTS}
    result["whole_tables_read"] = sorted(path for path in LISTS if reads_whole(path))
    quarter = f"&until={quarter_of(args.predictions // args.models)}"
    result["files"] = {
        form: {"quarter": download(form, quarter), "all": download(form)}
        for form in ("csv", "parquet")
    }
    return result


# ------------------------------------------------------------------ the server


class Site:
    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port, self._proc = port, Path(f"/proc/{process.pid}")

    def cpu_s(self) -> float:
        """The processor time of all its threads, ended ones too."""
        of_all = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(of_all[11]) + int(of_all[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        (self._proc / "clear_refs").write_text("5")

    def memory_mb(self, name: str) -> float:
        """`VmRSS`, now, or `VmHWM`, at most."""
        status = (self._proc / "status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) / 1024


@contextmanager
def server() -> Iterator[Site]:
    """Serve the site from a process of its own until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks._api_server", str(port)]
    with subprocess.Popen(command, env=os.environ) as process:  # noqa: TID251  its servers
        try:
            wait_for(port, process)
            yield Site(port, process)
        finally:
            process.terminate()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            ask(port, "/healthz")
        except OSError:
            if process.poll() is not None:
                raise
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server does not answer")


# ------------------------------------------------------------------ the clients


def ask(port: int, path: str) -> bytes:
    connection_ = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        return answer(connection_, path)
    finally:
        connection_.close()


def answer(connection_: http.client.HTTPConnection, path: str) -> bytes:
    connection_.request("GET", path)
    response = connection_.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path}: {response.status} {body[:200]!r}")
    return body


def taken(site: Site, path: str, args: argparse.Namespace) -> Storm:
    return storm(site.port, path, requests=args.requests, connections=args.connections)


def figures(site: Site, path: str, args: argparse.Namespace) -> dict[str, float]:
    """Figures of a page, in milliseconds; the server's time is without PostgreSQL's."""
    taken(site, path, argparse.Namespace(**{**vars(args), "requests": WARM_UP}))
    before_s = site.cpu_s()
    found = taken(site, path, args)
    server_s, count = site.cpu_s() - before_s, len(found.seconds)
    return {
        "p95_ms": round(1000 * percentile_95(found.seconds), 1),
        "server_ms": round(1000 * server_s / count, 2),
        "clients_ms": round(1000 * found.client_cpu_s / count, 2),
    }


def percentile_95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


# ------------------------------------------------------------------ the statements


def queries(path: str, **query: str) -> list[str]:
    asked = f"{path}{'&' if '?' in path else '?'}"
    asked += "&".join(f"{name}={value}" for name, value in query.items())
    with CaptureQueriesContext(connection) as seen:
        response = Client(SERVER_NAME="127.0.0.1").get(asked)
    assert response.status_code == 200, response.content
    return [each["sql"] for each in seen.captured_queries]


def statements(path: str) -> int:
    """How many a page takes, whatever its length."""
    short, long = len(queries(path, limit="2")), len(queries(path, limit="100"))
    assert short == long, f"{path}: {short} statements for 2 rows, {long} for 100"
    return short


def reads_whole(path: str) -> bool:
    """Whether the plan of a page reads a large table from one end to the other."""
    with connection.cursor() as cursor:
        for sql in queries(path, limit="100"):
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            if LARGE & set(re.findall(r"Seq Scan on (\w+)", plan)):
                print(f"{path}\n{plan}", file=sys.stderr)
                return True
    return False


# ------------------------------------------------------------------ the files


def quarter_of(rounds: int) -> str:
    """The instant before which a quarter of so many rounds, a minute apart, lies."""
    return f"{_scoring.START + timedelta(minutes=rounds // 4):%Y-%m-%dT%H:%M:%SZ}"


def download(form: str, asked: str = "") -> dict[str, Any]:
    """Take predictions; how long, how much, and what it added to the memory.

    A small file comes first, so that what a format loads for good is not counted.
    """
    few = f"&until={_scoring.START + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    with server() as site:
        ask(site.port, f"/api/v1/predictions?format={form}{few}")
        before = site.memory_mb("VmRSS")
        site.forget_peak()
        start = time.perf_counter()
        length = drained(site.port, f"/api/v1/predictions?format={form}{asked}")
        return {
            "seconds": round(time.perf_counter() - start, 1),
            "mb": round(length / 2**20, 1),
            "memory_added_mb": round(site.memory_mb("VmHWM") - before, 1),
        }


def drained(port: int, path: str) -> int:
    connection_ = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection_.request("GET", path)
    response = connection_.getresponse()
    length = 0
    while part := response.read(2**16):
        length += len(part)
    connection_.close()
    return length
