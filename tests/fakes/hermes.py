"""Pyth's price service on loopback, with or without a key."""

import json
import math
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.serving import serving

BTC = "e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43"


def price_at(second):
    """An integer with exponent -2, as Hermes writes prices."""
    return 10_000 + round(100 * math.sin(second / 977))


class FakeHermes:
    """`with FakeHermes(key="secret") as hermes`, then set PYTH_API_URL to its url."""

    def __init__(self, *, key="", now=time.time):
        self.key, self.now = key, now
        self.requests = []
        self.published_at = None  # of the price at a second, where it is another
        self.answer_with = None  # instead of what is right
        self.allowed = None  # so many requests are answered, and no more
        self._refusals = []

    def refuse(self, status, *, headers=None):
        """Answer the next request with an error."""
        self._refusals.append((status, headers or {}))

    def __enter__(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, body, headers = fake.answer(self.path, self.headers)
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self._open = ExitStack()
        self.url = self._open.enter_context(serving(Handler)).url
        return self

    def __exit__(self, *_):
        self._open.close()

    def answer(self, address, headers):
        parts = urlsplit(address)
        self.requests.append(parts.path)
        if self.key and headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {"error": "unauthorized"}, {}
        if self.allowed is not None:
            self.allowed -= 1
            if self.allowed < 0:
                return 429, {}, {}
        if self._refusals:
            status, more = self._refusals.pop(0)
            return status, {}, more
        if self.answer_with is not None:
            return 200, self.answer_with, {}
        if parts.path == "/v2/price_feeds":
            attributes = {"base": "BTC", "quote_currency": "USD"}
            return 200, [{"id": f"0x{BTC.upper()}", "attributes": attributes}], {}
        at = parts.path.rsplit("/", 1)[1]
        second = int(self.now()) if at == "latest" else int(at)
        (wanted,) = parse_qs(parts.query)["ids[]"]
        if self.published_at and at != "latest":
            second = self.published_at(second)
        price = {"price": str(price_at(second)), "expo": -2, "publish_time": second}
        return 200, {"parsed": [{"id": wanted, "price": price}]}, {}
