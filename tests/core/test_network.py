"""The guard that keeps the suite offline."""

import socket

import pytest

from tests.network import OutsideError


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.com", 80)])
def test_a_test_that_connects_to_the_world_fails(address):
    with socket.socket() as one, pytest.raises(OutsideError, match=address[0]):
        one.connect(address)
    with socket.socket() as one, pytest.raises(OutsideError, match=address[0]):
        one.connect_ex(address)


def test_a_test_that_looks_up_a_name_fails():
    with pytest.raises(OutsideError, match=r"example\.com"):
        socket.getaddrinfo("example.com", 80)


def test_loopback_and_paths_are_free(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    assert socket.getaddrinfo("localhost", 80)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))
