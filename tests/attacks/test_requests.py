"""Hostile requests against a site that is really served.

Slow clients of every kind, bytes that are no HTTP, odd methods, hosts and lengths. What
has to hold: the site answers everybody else meanwhile, its log tells no traceback, and
its memory stays as it was.
"""

import contextlib
import random
import socket
import struct
import threading
import time

import pytest

from tests.attacks.conftest import FULL, LARGEST_DOWNLOAD

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.django_db(databases=["default", "tape"]),  # the served site's
]

FILE = b"/data/backfill/simulated/BTCUSDT/candle/1m/2026-01-01.parquet"
CLIENTS = 50
ROUNDS = 10 if FULL else 2
# Threads that slow clients hold are free again after two minutes, when waitress drops
# those; a busy machine alone takes seconds.
LONGEST_S = 60.0
GROWTH = 64 * 2**20


def trickle(head: bytes, drops: bytes = b""):
    """A client that sends its head, then a byte at a time."""
    return head, drops


SLOW = {
    "headers": trickle(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", b"a" * 40),
    "first lines": trickle(b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n"),
    "bodies": trickle(
        b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 1000\r\n\r\n",
        b"username=a" * 4,
    ),
    "chunks": trickle(
        b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"1\r\na\r\n" * 7,
    ),
    "silence": trickle(b""),
    "readers": trickle(b"GET " + FILE + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "readers of parts": trickle(
        b"GET " + FILE + b" HTTP/1.1\r\nHost: localhost\r\nRange: bytes=1-\r\n\r\n"
    ),
    "readers of two files": trickle(
        (b"GET " + FILE + b" HTTP/1.1\r\nHost: localhost\r\n\r\n") * 2
    ),
    "readers of many answers": trickle(
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
    ),
}


def open_slow(served, head):
    """A connection that takes next to nothing in, so that the server has to wait."""
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.settimeout(30)
    link.connect(("127.0.0.1", served.port))
    link.sendall(head)
    return link


@pytest.mark.attack(
    "fifty slow clients of each of nine kinds, each against /healthz",
    held_by="waitress reads and writes for slow clients; its threads do the work",
)
@pytest.mark.parametrize("kind", SLOW)
def test_slow_clients_hold_nobody_up(served, seen, kind):
    head, drops = SLOW[kind]
    waits = []
    with contextlib.ExitStack() as open_links:
        links = [
            open_links.enter_context(open_slow(served, head)) for _ in range(CLIENTS)
        ]
        for at in range(ROUNDS):
            for link in links:
                with contextlib.suppress(ConnectionError):
                    link.sendall(drops[at : at + 1])
            status, wait_s = served.health()
            assert status == 200
            waits.append(wait_s)
    assert max(waits) < LONGEST_S
    seen(f"{kind}: /healthz in {1000 * max(waits):.0f} ms")


@pytest.mark.attack(
    "a HEAD whose body would be the next answer", held_by="crunchsite.edge.head_as_get"
)
@pytest.mark.parametrize("path", [b"/healthz", b"/", b"/schema", b"/none", FILE])
def test_head_is_answered_without_a_body(served, path):
    head = b"HEAD " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    get = b"GET /info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with served.connect() as link:
        link.sendall(head)
        first = b""
        while b"\r\n\r\n" not in first:
            first += link.recv(65536)
        link.sendall(get)
        told = first + b"".join(iter(lambda: link.recv(65536), b""))

    first, _, second = told.partition(b"\r\n\r\n")

    assert first.startswith(b"HTTP/1.1 404" if path == b"/none" else b"HTTP/1.1 200")
    assert int(first.lower().partition(b"content-length:")[2].split()[0]) > 0
    assert second.startswith(b"HTTP/1.1 200 OK\r\n")
    assert second.endswith(b"}")


def test_requests_in_one_piece_are_answered_one_at_a_time(served):
    get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with served.connect() as link:
        link.sendall(get * 3)
        told = b"".join(iter(lambda: link.recv(65536), b""))

    assert told.count(b"HTTP/1.1 200 OK") == 1
    assert b"connection: close" in told.lower()


def raw(*lines: bytes, body: bytes = b"", host: bytes = b"localhost") -> bytes:
    first, *others = lines
    given = [b"Host: " + host] if host else []
    return b"\r\n".join([first, *given, *others, b"", body])


GET = b"GET / HTTP/1.1"
POST = b"POST /admin/login/ HTTP/1.1"
ODD = {
    "methods": [
        *(raw(m + b" / HTTP/1.1") for m in (b"TRACE", b"CONNECT", b"BREW", b"get")),
        *(raw(m + b" /healthz HTTP/1.1") for m in (b"PUT", b"DELETE", b"PROPFIND")),
        raw(b"A" * 5000 + b" / HTTP/1.1"),
        raw(b"CONNECT 127.0.0.1:22 HTTP/1.1"),
        raw(b"\0\xff / HTTP/1.1"),
    ],
    "hosts": [
        raw(GET, host=b""),
        *(
            raw(GET, host=host)
            for host in (
                *(b"evil.example", b"localhost@evil.example", b"localhost:99999"),
                *(b"localhost,evil.example", b"[::1", b"\xff\0", b"a" * 70_000),
                *(b"localhost\r\nHost: evil.example", b" localhost \t", b".localhost"),
            )
        ),
        raw(GET, b"X-Forwarded-Host: evil.example"),
        raw(b"GET http://evil.example/ HTTP/1.1"),
    ],
    "lengths": [
        *(
            raw(POST, b"Content-Length: " + n, body=b"a")
            for n in (b"-1", b"1e9", b"9" * 40, b"10000000000", b"+1", b"0x1", b"1, 2")
        ),
        raw(POST, b"Content-Length: 1", b"Content-Length: 2", body=b"ab"),
        raw(
            POST, b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"
        ),
        *(
            raw(POST, b"Transfer-Encoding: " + how, body=b"0\r\n\r\n")
            for how in (b"xchunked", b"chunked, identity", b"gzip", b"\x0bchunked")
        ),
        *(
            raw(POST, b"Transfer-Encoding: chunked", body=body)
            for body in (
                b"-1\r\n",
                b"f" * 30 + b"\r\n",
                b"zz\r\n",
                b"1\r\nab",
                b"1;" * 999,
            )
        ),
    ],
    "heads": [
        *(b"\r\n" * 500, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20),
        *(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /\r\n\r\n", b"\0" * 4096),
        raw(b"GET / HTTP/9.9"),
        raw(GET, b"no colon here"),
        raw(GET, b" folded: yes"),
        raw(GET, b"Cookie: " + b"a=b;" * 4000),
        raw(GET, *(b"X-%d: 1" % i for i in range(5000))),
        raw(GET, b"X-A: " + b"a" * 300_000),
        raw(b"GET /" + b"a" * 300_000 + b" HTTP/1.1"),
        raw(GET, b"Range: bytes=" + b"0-," * 2000),
        raw(GET, b"Accept-Encoding: " + b"gzip;q=0.1," * 2000),
        raw(GET, b"X-Forwarded-For: " + b"1.2.3.4," * 2000),
    ],
    "addresses": [
        raw(b"GET " + path + b" HTTP/1.1")
        for path in (
            *(b"/%00", b"/%ff%fe", b"/..%2f..%2fetc/passwd", b"//evil.example/", b"*"),
            *(b"/static/../../../etc/passwd", b"/static/%2e%2e/%2e%2e/etc/passwd"),
            *(b"/nowhere?" + b"a=b&" * 3000, b"/%0d%0aSet-Cookie:a=b", b"/\\..\\x"),
            *(b"/data/backfill/../../../../etc/passwd", b"/?a=" + b"%00" * 900),
        )
    ],
}


@pytest.mark.attack(
    "methods, hosts, lengths, heads and addresses that nobody means",
    held_by="waitress refuses what is no HTTP, crunchsite/edge.py the rest",
)
@pytest.mark.parametrize("kind", ODD)
def test_odd_requests_are_refused_or_answered(served, seen, kind):
    before, found = served.memory(), {}
    for request in ODD[kind]:
        answer = served.say(request)
        status = answer.split(maxsplit=2)[1].decode() if answer else "hung up"
        found[status] = found.get(status, 0) + 1
        assert status not in ("500", "502", "503"), request[:200]
        assert b"root:" not in answer
        assert b"evil.example" not in answer.partition(b"\r\n\r\n")[0]
        assert b"Set-Cookie:a=b" not in answer
    assert served.health()[0] == 200
    assert served.memory() < before + GROWTH
    assert "Traceback" not in served.log.read_text()
    told = ", ".join(f"{count} x {status}" for status, count in sorted(found.items()))
    seen(f"{kind}: {told}")


@pytest.mark.attack(
    "a body of gigabytes, and one that is larger than it says",
    held_by="waitress: 64 MiB a body, and on disk beyond 512 KiB; Django: 2.5 MiB",
)
def test_a_body_without_end_is_cut_off(served, seen):
    head = raw(POST, b"Content-Length: 10000000000")
    assert b" 413 " in served.say(head).partition(b"\r\n")[0]
    before, sent = served.memory(), 0
    chunk = b"%x\r\n%s\r\n" % (2**16, b"a" * 2**16)
    with served.connect() as link, contextlib.suppress(ConnectionError, TimeoutError):
        link.sendall(raw(POST, b"Transfer-Encoding: chunked"))
        while sent < 40 * 2**20:  # within our own bound of disk
            link.sendall(chunk)
            sent += 2**16
    assert served.health()[0] == 200
    assert served.memory() < before + GROWTH
    seen(
        f"413 for 10 GB; {sent >> 20} MiB in chunks, then {GROWTH >> 20} MiB not grown"
    )


@pytest.mark.attack(
    "connections that are cut in the middle of everything",
    held_by="waitress forgets them",
)
def test_connections_cut_in_the_middle(served, seen):
    chance = random.Random(7)
    requests = [request for some in ODD.values() for request in some]
    count = 2000 if FULL else 100
    for _ in range(count):
        request = chance.choice(requests)
        with served.connect() as link, contextlib.suppress(ConnectionError):
            link.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            link.sendall(request[: chance.randrange(len(request) + 1)])
    assert served.health()[0] == 200
    assert "Traceback" not in served.log.read_text()
    seen(f"{count} resets, then /healthz 200")


@pytest.mark.attack(
    "slow readers of one large file from every thread's share",
    held_by="at most 16 MiB of an answer wait in memory; a file waits on its disk",
)
def test_what_slow_readers_leave_unread_takes_no_memory(served, seen):
    before = served.memory()
    head = raw(b"GET " + FILE + b" HTTP/1.1")
    with contextlib.ExitStack() as open_links:
        for _ in range(CLIENTS):
            open_links.enter_context(open_slow(served, head))
        for _ in range(ROUNDS):
            assert served.health()[0] == 200
            time.sleep(0.05)
        grown = served.memory() - before
    assert grown < GROWTH
    seen(f"{CLIENTS} x {LARGEST_DOWNLOAD >> 20} MiB unread: {grown >> 20} MiB more")


@pytest.mark.skipif(not FULL, reason="`make attack` runs it")
@pytest.mark.attack(
    "all kinds of slow clients at once, for a minute",
    held_by="waitress reads and writes for slow clients; its threads do the work",
)
def test_all_slow_clients_at_once(served, seen):
    over, waits = threading.Event(), []
    with contextlib.ExitStack() as open_links:
        links = [
            (open_links.enter_context(open_slow(served, head)), drops)
            for head, drops in SLOW.values()
            for _ in range(CLIENTS)
        ]
        end, at = time.monotonic() + 60, 0
        while time.monotonic() < end and not over.is_set():
            for link, drops in links:
                with contextlib.suppress(ConnectionError, TimeoutError):
                    link.sendall(drops[at % 40 : at % 40 + 1])
            status, wait_s = served.health()
            assert status == 200
            waits.append(wait_s)
            at += 1
            time.sleep(0.5)
    assert max(waits) < LONGEST_S
    seen(f"{len(links)} clients: /healthz in {1000 * max(waits):.0f} ms at most")
