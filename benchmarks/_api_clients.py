"""Clients of the API that cost little: one thread, plain sockets, ready requests.

They run beside the server on the same cores, so what they use it has not.
"""

import re
import selectors
import socket
import time
from typing import NamedTuple

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_AT_ONCE = 2**20  # bytes


class Storm(NamedTuple):
    """How long each request took, and the processor time of the clients."""

    seconds: list[float]
    client_cpu_s: float


class _Client:
    """A connection with one request under way; `left` is None before the headers."""

    def __init__(self, port: int, request: bytes) -> None:
        self.request = request
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.head = b""
        self.left: int | None = None
        self.asked_at = 0.0

    def ask(self) -> None:
        self.head, self.left = b"", None
        self.asked_at = time.perf_counter()
        self.socket.sendall(self.request)

    def has_read(self, buffer: bytearray) -> bool:
        """Read what has come; return whether the answer is whole."""
        count = self.socket.recv_into(buffer)
        if not count:
            raise ConnectionError("the server has closed the connection")
        if self.left is not None:
            self.left -= count
            return self.left <= 0
        self.head += bytes(buffer[:count])
        head, end, body = self.head.partition(b"\r\n\r\n")
        if not end:
            return False
        length = _LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            raise RuntimeError(f"no whole answer: {self.head[:500]!r}")
        self.left = int(length[1]) - len(body)
        return self.left <= 0


def storm(port: int, path: str, *, requests: int, connections: int) -> Storm:
    """Ask `requests` times over so many connections, each again once it is answered."""
    text = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n"
    clients = [_Client(port, text.encode()) for _ in range(connections)]
    seconds: list[float] = []
    buffer, asked = bytearray(_AT_ONCE), 0
    cpu = time.process_time()
    with selectors.DefaultSelector() as ready:
        for client in clients[:requests]:
            ready.register(client.socket, selectors.EVENT_READ, client)
            client.ask()
            asked += 1
        while len(seconds) < requests:
            for key, _ in ready.select(60):
                client = key.data
                if not client.has_read(buffer):
                    continue
                seconds.append(time.perf_counter() - client.asked_at)
                if asked < requests:
                    client.ask()
                    asked += 1
    for client in clients:
        client.socket.close()
    return Storm(seconds, time.process_time() - cpu)
