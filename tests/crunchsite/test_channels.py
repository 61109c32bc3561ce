"""The web server's own connections, with answers that nobody reads."""

import re
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from waitress import adjustments

from crunchsite.stack.part_commands import is_listening
from tests.ports import free_port
from tests.waiting import wait_for

THREADS = 1
# More than waitress lets a thread write before it waits, and the kernel's own buffers.
PARTS = adjustments.Adjustments.outbuf_high_watermark // 2**20 + 8

SERVER = """
import sys, waitress
from crunchsite import channels
channels.use()
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/large":
        return (bytes(2**20) for _ in range(int(sys.argv[2])))
    if environ["PATH_INFO"] == "/download":
        return (bytes(2**19) for _ in range(128) if sys.stdin.buffer.read(1))
    return [b"small"]
waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=int(sys.argv[3]))
"""


@pytest.fixture
def port():
    return free_port()


@pytest.fixture(autouse=True)
def process(port):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port), str(PARTS), str(THREADS)],
        stdin=subprocess.PIPE,
    )
    try:
        wait_for(lambda: is_listening(port))
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.attack(
    "large answers that are made while they are sent, and not read",
    held_by="crunchsite.channels: no thread waits for a reader",
)
def test_who_does_not_read_a_large_answer_holds_no_thread(port):
    with ExitStack() as links:
        for _ in range(2):
            link = links.enter_context(connect(port))
            link.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert link.recv(1) == b"H"  # it is being sent
        with connect(port) as other:
            other.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            told = b"".join(iter(lambda: other.recv(65536), b""))
    assert told.endswith(b"small")


def test_what_a_reader_has_taken_is_not_kept(port, process):
    """A download of 64 MiB, each part of which is made once the one before was read."""
    before_kb = most_kb(process)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(b"GET /download HTTP/1.0\r\nHost: localhost\r\n\r\n")
        for _ in range(128):
            process.stdin.write(b".")
            process.stdin.flush()
            left = 2**19
            while left > 0:
                left -= len(link.recv(2**19))
    assert most_kb(process) - before_kb < 2**14


def most_kb(process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def connect(port):
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.settimeout(60)
    link.connect(("127.0.0.1", port))
    return link
