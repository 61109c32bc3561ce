"""Keep the suite offline: a test that uses the network fails, with the address."""

import ipaddress
import socket

import pytest


class OutsideError(AssertionError):
    """A test wanted to reach an address that is not on loopback."""


def is_local(family: int, address: object) -> bool:
    """Return whether a socket's address is on this machine: a path, or loopback."""
    if family not in (socket.AF_INET, socket.AF_INET6):
        return True
    host = str(address[0]) if isinstance(address, tuple) and address else ""
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def loopback_only():
    """Refuse connections and datagrams to anything but loopback, and its look-up."""
    real = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}
    real_lookup = socket.getaddrinfo

    def guarded(name):
        def connect(self, address):
            if not is_local(self.family, address):
                raise OutsideError(f"a test connects to {address!r}")
            return real[name](self, address)

        return connect

    def lookup(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name and not is_local(socket.AF_INET, (name,)) and not _is_number(name):
            raise OutsideError(f"a test looks up {name!r}")
        return real_lookup(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        for name in real:
            patch.setattr(socket.socket, name, guarded(name))
        patch.setattr(socket, "getaddrinfo", lookup)
        yield


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
