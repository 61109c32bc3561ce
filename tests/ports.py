"""Ports that no other worker of any run chooses, and no outgoing connection takes."""

import atexit
import itertools
import socket

PORTS_A_WORKER = 500
# Below the range from which Linux takes the ports of outgoing connections (32768 on).
FIRST_PORTS = range(20_000, 32_500, PORTS_A_WORKER)


def _bound(port: int) -> socket.socket | None:
    """Return a socket that has a port, on which nobody listens; None if it is taken."""
    found = socket.socket()
    try:
        found.bind(("127.0.0.1", port))
    except OSError:
        found.close()
        return None
    return found


# Who has the first port of a block has the block, until its process ends.
_block = next(filter(None, map(_bound, FIRST_PORTS)))
atexit.register(_block.close)
_first = _block.getsockname()[1]
_numbers = itertools.cycle(range(_first + 1, _first + PORTS_A_WORKER))


def free_port() -> int:
    """Return a port on which nobody listens; the next call returns another one."""
    for number in _numbers:
        if probe := _bound(number):
            probe.close()
            return number
    raise AssertionError  # cycle() never ends
