"""Connect to receivers at public addresses only, exactly those that were checked.

An operator chooses the host of a webhook, a witness or an authority of time stamps, but
a stranger may control what its name resolves to. The name is resolved once, every
address is checked, and the connection goes to a checked address: a name that resolves
differently the next time changes nothing.
"""

import ipaddress
import socket
import threading
from typing import Any

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from core.errors import OperatorError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

CONNECT_S = 5.0
# From the connection on, however slowly the receiver answers.
WHOLE_S = 15.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Public IPv6 addresses are given out from here alone. Elsewhere are old and special
# forms, of which Python calls some global (site-local, IPv4-compatible, translated).
_GIVEN_OUT = ipaddress.ip_network("2000::/3")


class AddressRefusedError(OperatorError):
    """The receiver's address is not public, and no setting allows it."""

    code = "address_refused"
    status = 422


def check_address(text: str) -> None:
    """Refuse loopback, link-local, private and other addresses that are not public.

    WEBHOOK_NETWORKS names those that are allowed all the same. Raises
    AddressRefusedError.
    """
    address = _reached(ipaddress.ip_address(text.split("%", maxsplit=1)[0]))
    if _is_public(address) or any(
        address in each for each in settings.ENV.receiver_networks
    ):
        return
    raise AddressRefusedError(
        f"the receiver is at {address}, which is not public; allow its network in "
        "WEBHOOK_NETWORKS, or give another address"
    )


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _GIVEN_OUT:
        return False
    return address.is_global and not address.is_multicast


def _reached(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address leads to, if it contains one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def connect(host: str, port: int, *, timeout_s: float) -> socket.socket:
    """Return a connection to one of the host's addresses, all of which are allowed.

    Raises AddressRefusedError, and OSError when none answers.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for address in addresses:
        check_address(address)
    for address in addresses[:-1]:
        try:
            return socket.create_connection((address, port), timeout_s)
        except OSError:
            continue
    return socket.create_connection((addresses[-1], port), timeout_s)


class _Bounded(HTTPConnection):
    """A connection that ends after WHOLE_S, whatever its state."""

    def _new_conn(self) -> socket.socket:
        try:
            line = connect(self.host, self.port or 80, timeout_s=CONNECT_S)
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from error
        # TLS takes the socket over; a duplicate of it still reaches the connection.
        self._end_of_line = line.dup()
        self._watch = threading.Timer(WHOLE_S, self._shut)
        self._watch.daemon = True
        self._watch.start()
        return line

    def _shut(self) -> None:
        try:
            self._end_of_line.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself

    def close(self) -> None:
        super().close()
        if hasattr(self, "_watch"):
            self._watch.cancel()
            self._end_of_line.close()


class _BoundedTls(_Bounded, HTTPSConnection):
    """The same over TLS; the certificate is checked against the host's name."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Bounded


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTls


class _BoundedAdapter(HTTPAdapter):
    """Make each connection of a session one of the above."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


class PublicSession(requests.Session):
    """A session to public addresses alone, without redirects and proxies.

    A connection ends after WHOLE_S. Requests to other addresses raise
    AddressRefusedError.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # no proxy that would connect in our place
        adapter = _BoundedAdapter()
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Find none: else requests reads the whole body of a redirect."""
        return


def exchange(
    url: str, body: bytes, *, media_type: str, patience_s: float, largest: int
) -> tuple[int, bytes]:
    """Post a body; return the answer's status and its first `largest` bytes.

    Raises AddressRefusedError, and requests.RequestException for anything else that
    goes wrong, within the answer too.
    """
    with (
        PublicSession() as session,
        session.post(
            url,
            data=body,
            headers={"Content-Type": media_type},
            timeout=(CONNECT_S, patience_s),
            allow_redirects=False,
            stream=True,
        ) as answer,
    ):
        data = b""
        for part in answer.iter_content(8_192):
            data += part
            if len(data) >= largest:
                break
        return answer.status_code, data[:largest]
