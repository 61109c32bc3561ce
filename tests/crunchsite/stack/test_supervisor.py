"""What the supervisor checks between its parts; tests/e2e runs it whole."""

import socket

import pytest

from crunchsite.stack.errors import StackError
from crunchsite.stack.stopping import StopRequests
from crunchsite.stack.supervisor import Supervisor


def test_a_port_that_was_taken_meanwhile_is_refused_before_the_web_server(
    settings, monkeypatch
):
    """Else the other site's answers would pass for those of this one."""
    started = []
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        settings.ENV = settings.ENV.model_copy(update={"port": port})
        supervisor = Supervisor(say=print, requests=StopRequests())
        monkeypatch.setattr(
            supervisor, "_start_part", lambda name, *_, **__: started.append(name)
        )
        with pytest.raises(StackError, match="cannot be used"):
            supervisor._start_workers({})
    assert started == ["worker"]
