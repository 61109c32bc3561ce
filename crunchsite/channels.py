"""The web server's connections: no reader, however slow, holds one of its threads."""

import sys
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer


class Channel(HTTPChannel):
    """A connection with one request at a time, whose thread never waits for its reader.

    Waitress lets a thread wait while 16 MiB of answers are unread, for ever. Here, what
    is not read waits in a file, and the connection ends after two minutes of silence.
    Further requests that came in one piece with the first are not answered: it is told
    that the connection closes, so that its client asks them again (RFC 9112, 9.3.2).
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.adj.outbuf_high_watermark = sys.maxsize

    def service(self) -> None:
        with self.requests_lock:
            first, *others = self.requests
            for other in others:
                other.close()
            if others:
                first.headers["CONNECTION"] = "close"
                del self.requests[1:]
        super().service()


def use() -> None:
    """Let the web server make connections of this kind."""
    BaseWSGIServer.channel_class = Channel
