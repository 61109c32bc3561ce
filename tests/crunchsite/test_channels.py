"""The web server's own connections, with answers that nobody reads."""

import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest
from waitress import adjustments

from crunchsite.stack.part_commands import is_listening
from tests.competitions.gateway.conftest import wait_for
from tests.ports import free_port

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
    return [b"small"]
waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=int(sys.argv[3]))
"""


@pytest.fixture
def port():
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port), str(PARTS), str(THREADS)]
    )
    try:
        wait_for(lambda: is_listening(port))
        yield port
    finally:
        process.terminate()
        process.wait(60)


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


def connect(port):
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.settimeout(60)
    link.connect(("127.0.0.1", port))
    return link
