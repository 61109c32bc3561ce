"""Real HTTP receivers on loopback, each with its own manners."""

import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler

from tests.serving import serving


class Receiver:
    """Keeps what it was sent; `answers` are statuses, the last of which stays.

    `manner` is called with the request's handler in place of an answer.
    """

    def __init__(self, *answers: int, manner=None):
        self.answers = list(answers) or [204]
        self.manner = manner
        self.got: list[tuple[dict, bytes]] = []
        self.url = ""
        self.may_end = threading.Event()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers["Content-Length"])
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.got.append((headers, handler.rfile.read(length)))
        if self.manner is not None:
            # Who asked hangs up on most manners, as it should.
            with suppress(ConnectionError):
                self.manner(self, handler)
            return
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        handler.send_response(status)
        if 300 <= status < 400:
            handler.send_header("Location", f"{self.url}/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()


@contextmanager
def receiving(receiver: Receiver, *, tls=None):
    """Serve on a free port of loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            receiver.handle(self)

        def do_GET(self):
            raise AssertionError("a redirect was followed")

        def log_message(self, *_):
            pass

    with serving(Handler, tls=tls) as server:
        receiver.url = server.url
        try:
            yield receiver
        finally:
            receiver.may_end.set()
