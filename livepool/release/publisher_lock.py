"""Let one publisher work at a time in this database: publications and rollbacks."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.only_one import only_one
from livepool.errors import BusyError

_LOCK = 0x6C697665706F6F6C  # "livepool"


@contextmanager
def only_publisher() -> Iterator[None]:
    """Hold the publisher's lock; raises BusyError at once if another one works."""
    with only_one(_LOCK) as is_only:
        if not is_only:
            raise BusyError("another publisher is at work; try again when it is done")
        yield
