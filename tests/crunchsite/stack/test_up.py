"""What `manage.py up` says at its beginning and end; tests/e2e runs it whole."""

import sys
from pathlib import Path

import pytest

from crunchsite.management.commands import up
from crunchsite.settings.env import BASE_DIR


class Nothing:
    """Stands for the parts: they start and stop at once."""

    def __init__(self, **_):
        pass

    def start(self):
        raise KeyboardInterrupt

    def stop(self):
        pass


@pytest.fixture
def said(monkeypatch, capfd, settings, tmp_path):
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(up, "Supervisor", Nothing)
    monkeypatch.setattr(up.StopRequests, "listen", lambda _: None)
    monkeypatch.setattr(up.StopRequests, "ignore", lambda _: None)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)

    def run():
        up.Command().handle()
        return capfd.readouterr().out

    return run


def test_a_variable_that_is_not_read_is_told_of(said, monkeypatch):
    monkeypatch.setenv("FEED_SUBJECT", "ETHUSDT")
    assert "  FEED_SUBJECT is not read: do you mean FEED_SUBJECTS?\n" in said()


def test_the_folder_that_keeps_the_data_is_named(said, tmp_path):
    assert said().endswith(f"Stopped; the data stay under {tmp_path}/.\n")
    assert up.shown(BASE_DIR / "var") == "var/"
    assert up.shown(Path("/srv/x")) == "/srv/x/"
