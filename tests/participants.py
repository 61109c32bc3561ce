"""A participant's package, laid out by the scaffold and imported under its own name."""

import importlib
import sys
from contextlib import contextmanager
from io import BytesIO
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings
from django.test import Client
from requests.adapters import BaseAdapter

from competitions import packs
from competitions.scaffold import vendor
from competitions.scaffold.answers import parse_answers, with_pack
from competitions.scaffold.render import Workspace


def lay_out(folder, pack, **answers):
    """Write a workspace without the engine's copy; return its folder."""
    parsed = parse_answers({"layout": "base", **answers})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vendor, "copy_engine", lambda target: target.mkdir())
        return Workspace(with_pack(parsed, packs.load(pack))).write(folder)


@contextmanager
def imported(workspace):
    """Import the package of a workspace as a participant does; forget it afterwards."""
    name = f"crunch_{workspace.name.replace('-', '_')}"
    challenge = str(workspace / "challenge")
    before = [*sys.path]
    sys.path.insert(0, challenge)
    try:
        yield importlib.import_module(name)
    finally:
        sys.path[:] = before
        for module in [n for n in sys.modules if n.partition(".")[0] == name]:
            del sys.modules[module]
        sys.modules.pop("tracker", None)


class ToSite(BaseAdapter):
    """Carries requests to the site in this process; `broken` alters what comes back."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.broken = lambda url, response: response

    def send(self, request, **options):
        place = urlsplit(request.url)
        self.asked.append(place.path)
        headers = {
            f"HTTP_{name.upper().replace('-', '_')}": value
            for name, value in request.headers.items()
            if name not in ("Accept-Encoding", "Content-Type", "Content-Length")
        }
        answer = Client().generic(
            request.method,
            f"{place.path}?{place.query}",
            request.body or b"",
            request.headers.get("Content-Type", ""),
            SERVER_NAME=place.hostname,
            **headers,
        )
        pieces = answer.streaming_content if answer.streaming else [answer.content]
        body = b"".join(pieces)
        response = requests.Response()
        response.status_code, response.url = answer.status_code, request.url
        response.headers.update(answer.headers)
        response.raw, response.request = BytesIO(body), request
        return self.broken(place.path, response)

    def close(self):
        pass


def session_to_site():
    """Return a session for the package's clients, and its adapter."""
    # It makes a subclass of requests.Session, which a test may replace from here on.
    importlib.import_module(settings.ROOT_URLCONF)
    session, adapter = requests.Session(), ToSite()
    session.mount("http://", adapter)
    return session, adapter
