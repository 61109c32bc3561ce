"""The web server's connections: no reader, however slow, holds one of its threads."""

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer


class Channel(HTTPChannel):
    """A connection with one request at a time, whose thread never waits for its reader.

    Waitress lets a thread wait while 16 MiB of answers are unread, for ever. Here, what
    is not read waits in files of that size, and the connection ends after two minutes
    of silence.
    Further requests that came in one piece with the first are not answered: it is told
    that the connection closes, so that its client asks them again (RFC 9112, 9.3.2).
    """

    current_outbuf_count: int

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Wait for nobody, before more is written; begin a buffer once all is sent.

        A buffer in memory gives back nothing of what is sent until it is left: one for
        a whole download would be as large as the download.
        """
        if self.current_outbuf_count and not self.total_outbufs_len:
            self.current_outbuf_count = self.adj.outbuf_high_watermark

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
