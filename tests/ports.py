"""Ports that no other worker of the suite chooses, and no outgoing connection takes."""

import itertools
import socket

from django.conf import settings

# Below the range from which Linux takes the ports of outgoing connections (32768 on).
PORTS_A_WORKER = 500
_first = 20_000 + PORTS_A_WORKER * int(settings.WORKER.removeprefix("gw"))
_numbers = itertools.cycle(range(_first, _first + PORTS_A_WORKER))


def free_port() -> int:
    """Return a port on which nobody listens; the next call returns another one."""
    for number in _numbers:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            return number
    raise AssertionError  # cycle() never ends
