"""Webhooks go to public addresses, and to the networks that a setting allows."""

import socket

import pytest
from django.core.exceptions import ValidationError

from core import public_addresses
from core.public_addresses import (
    AddressRefusedError,
    check_address,
    connect,
    exchange,
)
from crunchsite.events.models import is_receiver
from crunchsite.events.sending import post

REFUSED = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    *("::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "2001:0:7f00:1::"),
    *("fec0::1", "5f00::1", "4000::1"),
]


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_refused(address):
    with pytest.raises(AddressRefusedError):
        check_address(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_what_is_public_is_not(address):
    check_address(address)


def test_a_setting_allows_a_network_and_no_other(settings):
    settings.ENV = settings.ENV.model_copy(
        update={"webhook_networks": "10.1.0.0/16, fd00::/8"}
    )
    check_address("10.1.2.3")
    check_address("::ffff:10.1.2.3")
    check_address("fd00::1")
    with pytest.raises(AddressRefusedError):
        check_address("10.2.0.1")


def resolving(monkeypatch, *answers):
    """Let names resolve to these, one list after the other; gives what was asked."""
    asked = []

    def lookup(host, port, *_, **__):
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in found
        ]

    monkeypatch.setattr(public_addresses.socket, "getaddrinfo", lookup)
    return asked


def test_one_private_address_among_others_refuses_the_name(monkeypatch):
    resolving(monkeypatch, ["1.1.1.1", "127.0.0.1"])
    with pytest.raises(AddressRefusedError):
        connect("rebound.example", 80, timeout_s=5)


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch):
    """A name that is answered otherwise the second time is not asked twice."""
    asked = resolving(monkeypatch, ["1.1.1.1"], ["127.0.0.1"])
    gone_to = []

    def create(address, timeout):
        gone_to.append(address)
        raise OSError("enough")

    monkeypatch.setattr(public_addresses.socket, "create_connection", create)
    outcome = post("http://rebound.example/hook", "{}", {})
    assert (outcome.status, outcome.error) == (None, "enough")
    assert asked == ["rebound.example"]
    assert gone_to == [("1.1.1.1", 80)]


def test_a_name_that_leads_inside_is_told_so(monkeypatch):
    resolving(monkeypatch, ["127.0.0.1"])
    for scheme in ("http", "https"):
        outcome = post(f"{scheme}://inside.example/hook", "{}", {})
        assert outcome.error.startswith("the receiver is at 127.0.0.1, which is not")


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a.example/", "https://", "https://a b.example/", "file:///etc/passwd"),
        *("https://user:pw@a.example/", "https://a.example/#part", "javascript:1"),
        *("http://127.0.0.1/", "http://[::1]/", "https://169.254.169.254/latest"),
        *("http://2130706433/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/"),
        *("http://a.example/\r\nX: 1", "http://a.example/\n", "http://u@a.example/"),
        *("http://a.example\\@127.0.0.1/", "http://127.0.0.1#@a.example/"),
    ],
)
def test_what_cannot_be_a_receiver_is_refused_when_it_is_saved(url):
    with pytest.raises(ValidationError):
        is_receiver(url)


def test_what_can_be_one_is_taken():
    is_receiver("https://hooks.example.com:8443/in?key=1")
    is_receiver("http://1.1.1.1/")


def test_a_body_goes_to_public_addresses_alone():
    with pytest.raises(AddressRefusedError, match=r"127\.0\.0\.1"):
        exchange("http://127.0.0.1:1/", b"", media_type="a/b", patience_s=5, largest=10)
