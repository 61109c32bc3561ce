"""The newest head is stamped by an authority; one that fails harms nothing else."""

import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core import deadline
from core.errors import OperatorError
from core.timestamps import REQUEST_TYPE, stamped_at
from proofs import sealing, stamping, tasks
from proofs.models import LogCheckpoint, LogTimestamp
from proofs.standing import STAMP_PATIENCE, log_troubles
from tests.conftest import NOW
from tests.fakes.authority import AT, Authority
from tests.serving import serving

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("log_key", "loopback"),
]
GIGABYTE = 2**30


def command():
    out = StringIO()
    call_command("log_stamp", stdout=out)
    return out.getvalue().strip()


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def head(log_key, append):
    append("a")
    sealing.seal()


@contextmanager
def answering(answer, *, status=200, length=None):
    """Answer each query with the parts of `answer(query)`; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.headers["Content-Type"] == REQUEST_TYPE
            query = self.rfile.read(int(self.headers["Content-Length"]))
            parts = answer(query)
            if length is None:
                parts = [b"".join(parts)]
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(length or len(parts[0])))
            self.end_headers()
            try:
                for part in parts:
                    self.wfile.write(part)
            except OSError:
                self.close_connection = True  # nobody listens any more

        def log_message(self, *_):
            pass

    with serving(Handler) as server:
        yield f"{server.url}/tsa"


@pytest.fixture
def asking(settings, tmp_path, authority, monkeypatch):
    """Name an authority by its address; its certificate is known."""
    monkeypatch.setattr(stamping, "PATIENCE_S", 300)
    known = tmp_path / "tsa.pem"
    known.write_bytes(authority.pem)

    def name(url, path=known):
        changed = {"log_timestamp_url": url, "log_timestamp_ca": str(path)}
        settings.ENV = settings.ENV.model_copy(update=changed)

    return name


def test_the_newest_head_is_stamped_once_and_served_so(
    client, append, authority, asking
):
    assert stamping.stamp() == 0
    with answering(lambda query: [authority.answer(query)]) as url:
        asking(url)
        assert stamping.stamp() == 0  # there is no head yet
        append("a")
        sealing.seal()
        append("b", "c")
        sealing.seal()
        assert [stamping.stamp(), stamping.stamp()] == [4, 0]
    assert LogTimestamp.objects.get().head_id == 4
    note = client.get("/log/checkpoint/4.note")
    stamp = client.get("/log/checkpoint/4.tsr")
    assert note.content.decode() == LogCheckpoint.objects.get(size=4).note
    assert stamped_at(stamp.content, note.content, [authority.certificate]) == AT
    for each in (note, stamp):
        assert "immutable" in each["Cache-Control"]
    listed = client.get("/log/timestamps")
    assert listed.content == b"4 2026-03-02T12:00:00Z\n"
    assert "Cache-Control" not in listed or "immutable" not in listed["Cache-Control"]
    assert client.get("/log/checkpoint/2.note").status_code == 200
    for path in ("checkpoint/2.tsr", "checkpoint/9.tsr", "checkpoint/x.note"):
        assert client.get(f"/log/{path}").status_code == 404


@pytest.mark.usefixtures("head")
def test_the_command_stamps_now_and_says_what_keeps_it_from_that(authority, asking):
    with pytest.raises(CommandError, match="set LOG_TIMESTAMP_URL"):
        command()
    with answering(lambda query: [b"no"]) as url:
        asking(url)
        with pytest.raises(CommandError, match="cannot be used"):
            command()
    with answering(lambda query: [authority.answer(query)]) as url:
        asking(url)
        assert command() == "the head of 2 entries was stamped."
        assert command() == "there is no head without a stamp."


def test_the_list_begins_with_the_newest(client, append, authority, asking):
    with answering(lambda query: [authority.answer(query)]) as url:
        asking(url)
        for name in "abc":
            append(name)
            sealing.seal()
            stamping.stamp()
    lines = client.get("/log/timestamps").content.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["4", "3", "2"]


def zeros(_query):
    return (bytes(65_536) for _ in range(GIGABYTE // 65_536))


@pytest.mark.parametrize(
    ("answer", "options", "why"),
    [
        (lambda tsa: lambda q: [Authority().answer(q)], {}, "verify"),
        (lambda tsa: lambda q: [tsa.answer(q, digest=b"1" * 32)], {}, "Mismatch"),
        (lambda tsa: lambda q: [b"<html>"], {}, "parse"),
        (lambda tsa: lambda q: [b"no"], {"status": 500}, "it answered 500"),
        (lambda tsa: lambda q: [b""], {"status": 302}, "it answered 302"),
        (lambda tsa: lambda q: [b"cut"], {"length": 9}, "cannot be used"),
        (lambda tsa: zeros, {"length": GIGABYTE}, "parse"),
    ],
)
@pytest.mark.usefixtures("head")
def test_what_is_no_time_stamp_is_not_kept(answer, options, why, authority, asking):
    with answering(answer(authority), **options) as url:
        asking(url)
        with pytest.raises(OperatorError, match=why):
            stamping.stamp()
    assert not LogTimestamp.objects.exists()


def test_an_authority_that_hangs_is_not_waited_for(append, asking, monkeypatch):
    append("a")
    sealing.seal()
    over = threading.Event()

    def wait(_query):
        over.wait(60)
        return [b""]

    with answering(wait) as url:
        asking(url)
        monkeypatch.setattr(stamping, "PATIENCE_S", 0.2)
        with pytest.raises(OperatorError, match=r"longer than 0\.2 s|timed out"):
            stamping.stamp()
        over.set()
        for thread in deadline._at_work.get("log_timestamp", {}).values():
            thread.join(60)


def test_an_authority_inside_is_not_asked(append, asking, caplog):
    append("a")
    sealing.seal()
    asking("http://10.1.2.3/tsa")
    tasks.stamp()
    assert "log.unstamped" in caplog.text
    assert "10.1.2.3, which is not public" in caplog.text


def test_heads_that_nobody_stamps_are_a_trouble(append, asking, at, authority):
    with at(NOW):
        append("a")
        sealing.seal()
    soon, late = (NOW + STAMP_PATIENCE + timedelta(seconds=s) for s in (-1, 1))
    with at(late):
        assert log_troubles() == []  # no authority is named
    with answering(lambda query: [authority.answer(query)]) as url:
        asking(url)
        with at(soon):
            assert log_troubles() == []
        with at(late):
            (trouble,) = log_troubles()
            assert (trouble.code, trouble.since) == ("log_unstamped", NOW)
            stamping.stamp()
            assert log_troubles() == []


def test_without_certificates_nothing_is_asked_and_the_operator_is_told(
    append, asking, tmp_path
):
    append("a")
    sealing.seal()
    for path in (tmp_path, tmp_path / "none.pem", ""):
        asking("http://127.0.0.1:1/", path)
        with pytest.raises(OperatorError, match="LOG_TIMESTAMP_CA names no file"):
            stamping.stamp()
        (trouble,) = log_troubles()
        assert trouble.what.startswith("LOG_TIMESTAMP_CA names no file")
