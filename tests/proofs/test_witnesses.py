"""Witnesses cosign what only grew; one that refuses is an alarm, others go on."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from io import StringIO

import pytest
import requests
from click.testing import CliRunner
from django.core.management import CommandError, call_command
from django.db import connections

from core.deadline import Late
from core.only_one import only_one
from core.tlog.log_checkpoint import parse_tree_head
from core.tlog.merkle import verify_consistency
from core.tlog.note import (
    COSIGNATURE,
    Note,
    Signer,
    decode_base64,
    parse_note,
    verify_note,
)
from core.tlog.witnessing import cosigned
from crunchsite.coordinator import exits
from crunchsite.coordinator import witness as witness_command
from proofs import log_keys, rotation, sealing, standing, witnesses
from proofs.errors import WitnessError
from proofs.models import Cosignature, LogCheckpoint, Witness
from tests.conftest import NOW
from tests.serving import serving

pytestmark = pytest.mark.usefixtures("loopback")
AT_S = 1_772_452_800  # 2026-03-02T12:00:00Z


def signer(name="w.example", seed=b"\1" * 32):
    return Signer(name, seed, COSIGNATURE)


@pytest.fixture
def heads(db, log_key, append):
    """Two heads of a log, of 2 and 5 entries."""
    append("a")
    sealing.seal()
    append("b", "c", "d")
    sealing.seal()
    return list(LogCheckpoint.objects.order_by("size"))


def register(by, owner="ada", url=""):
    return witnesses.register(vkey=str(by.key), owner=owner, url=url)


def test_a_head_that_witnesses_have_cosigned_is_served_so(client, heads):
    ada, bob = signer(), signer("b.example", b"\2" * 32)
    register(ada)
    register(bob, "bob")
    register(signer("c.example", b"\3" * 32), "carl")
    assert str(witnesses.witnessed()) == "witnessed by 0 of 3 owners"
    for by in (ada, bob, bob):
        body = cosigned(parse_note(heads[1].note), by, signed_at_s=AT_S)
        answer = client.post("/log/witnesses", body, content_type="text/plain")
        assert answer.status_code == 200, answer.content
    assert answer.json() == {"size": 5, "owners": 2, "of": 3}
    assert client.get("/log/witnesses").json() == answer.json()
    note = parse_note(client.get("/log/checkpoint").content.decode())
    keys = [ada.key, bob.key]
    assert verify_note(note, keys) == keys
    assert str(witnesses.witnessed()) == "witnessed by 2 of 3 owners"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda text: "no note", "no signed head"),
        (lambda text: text.replace("\n5\n", "\n6\n"), "no head that this log"),
        (lambda text: text.replace("example.org/log\n", "other.org/log\n"), "no head"),
        (lambda text: parse_note(text).text + "\n— x AAAAAAAA\n", "no witness"),
        (lambda text: text[:-8] + "AAAA==\n", ""),
    ],
)
def test_what_is_no_cosignature_of_this_log_is_refused(client, heads, spoil, told):
    register(signer())
    body = cosigned(parse_note(heads[1].note), signer(), signed_at_s=AT_S)
    answer = client.post("/log/witnesses", spoil(body), content_type="text/plain")
    assert (answer.status_code, answer.json()["code"]) == (422, "witness_invalid")
    assert told in answer.json()["detail"]
    assert not Cosignature.objects.exists()


def test_a_signature_that_does_not_hold_is_refused(heads):
    register(signer())
    forged = signer(seed=b"\x09" * 32)
    line = forged.cosign(parse_note(heads[1].note).text, signed_at_s=AT_S)
    known = signer().key
    wrong = type(line)(known.name, known.key_id, line.signature)
    with pytest.raises(WitnessError, match="does not hold"):
        witnesses.accept(str(Note(parse_note(heads[1].note).text, (wrong,))))


@pytest.mark.parametrize("vkey", ["x", "a+00000000+AA=="])
def test_a_key_that_is_none_of_a_witness_is_refused(db, log_key, vkey):
    for each in (vkey, str(log_key)):
        with pytest.raises(WitnessError):
            witnesses.register(vkey=each, owner="ada")


def test_a_key_stays_its_owners(db, log_key):
    register(signer())
    with pytest.raises(WitnessError, match="this key is that of ada, who stays"):
        register(signer(), "bob")
    assert register(signer(), url="https://ada.example").owner == "ada"
    assert Witness.objects.get().url == "https://ada.example"


def command(*arguments):
    out = StringIO()
    call_command("log_witness", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def test_a_witness_that_stopped_for_good_is_retired_and_may_come_back(heads, client):
    vkey = str(signer().key)
    said = command("add", vkey, "--owner", "ada", "--url", "http://127.0.0.1:1")
    assert said == "w.example of ada may cosign; heads go to http://127.0.0.1:1."
    register(signer("b.example", b"\2" * 32), "bob")
    body = cosigned(parse_note(heads[0].note), signer(), signed_at_s=AT_S)
    witnesses.accept(body)
    with pytest.raises(CommandError, match="which readers rely on; retire it"):
        command("remove", vkey)
    assert command("retire", vkey) == "w.example cosigns no more."
    assert "retired; cosigned up to 2" in command("list")
    assert str(witnesses.witnessed()) == "witnessed by 0 of 1 owners"
    assert witnesses.collect() == 0  # it is not asked
    assert Witness.objects.get(vkey=vkey).error == ""
    for head in heads:
        body = cosigned(parse_note(head.note), signer(), signed_at_s=AT_S)
        with pytest.raises(WitnessError, match="no witness that this site knows"):
            witnesses.accept(body)
    assert "— w.example " in client.get("/log/checkpoint/2").content.decode()
    assert command("retire", vkey) == "w.example cosigns no more."  # again
    said = command("add", vkey, "--owner", "ada")
    assert said == "w.example of ada may cosign; it comes by itself."
    assert witnesses.accept(body) == 1


def test_who_says_that_the_log_was_rewritten_is_not_retired(heads):
    register(signer())
    Witness.objects.update(refused_at=NOW)
    with pytest.raises(CommandError, match="find out who is right first"):
        command("retire", str(signer().key))
    with pytest.raises(CommandError, match="there is no witness with that vkey"):
        command("retire", "x")


@contextmanager
def witness_at(by, *, seen=0, answer=None):
    """A witness of tlog-witness; yields its address and the bodies it was sent."""
    bodies = []
    state = {"seen": seen}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            bodies.append(body)
            status, data, *length = answer or self.cosign(body)
            self.send_response(status)
            self.send_header("Content-Length", str(length[0] if length else len(data)))
            self.end_headers()
            self.wfile.write(data)

        def cosign(self, body):
            head, note = body.split("\n\n", 1)
            old, *path = head.split("\n")
            if old != f"old {state['seen']}":
                return 409, f"{state['seen']}\n".encode()
            text = parse_note(note).text
            tree = parse_tree_head(text)
            old_root = bytes(LogCheckpoint.objects.get(size=2).root)
            if state["seen"]:
                verify_consistency(
                    old=state["seen"], old_root=old_root, size=tree.size,
                    root=tree.root, path=[*map(decode_base64, path)],
                )  # fmt: skip
            state["seen"] = tree.size
            return 200, str(by.cosign(text, signed_at_s=AT_S)).encode()

        def log_message(self, *_):
            pass

    with serving(Handler) as server:
        yield server.url, bodies


@pytest.mark.django_db(transaction=True)
def test_a_witness_with_an_address_is_asked_with_the_proof_that_it_needs(heads):
    with witness_at(signer(), seen=2) as (url, bodies):
        added = register(signer(), url=url)
        assert witnesses.collect() == 1
        assert witnesses.collect() == 0  # nothing new
    assert [body.split("\n")[0] for body in bodies] == ["old 0", "old 2"]
    added.refresh_from_db()
    assert (added.size, added.error) == (5, "")


def test_a_witness_that_refuses_is_an_alarm_and_holds_up_no_other(
    heads, caplog, append
):
    with (
        witness_at(signer(), answer=(422, b"")) as (refusing, _),
        witness_at(signer(), answer=(200, b"nonsense")) as (odd, _),
        witness_at(signer(), answer=(302, b"")) as (elsewhere, _),
        witness_at(signer(), answer=(200, b"cut", 9)) as (cutting, _),
        witness_at(signer(), answer=(409, b"9" * 5_000)) as (boasting, _),
    ):
        register(signer(), url=refusing)
        register(signer("b", b"\2" * 32), url=odd)
        register(signer("c", b"\3" * 32), url=elsewhere)
        register(signer("d", b"\4" * 32), url="http://127.0.0.1:1")
        register(signer("e", b"\5" * 32), url="http://10.1.2.3")
        register(signer("f", b"\6" * 32), url=cutting)
        register(signer("g", b"\7" * 32), url=boasting)
        assert witnesses.collect() == witnesses.collect() == 0
    assert caplog.text.count("witness.refused") == 1
    (trouble,) = standing.log_troubles()
    assert trouble.code == "witness_refused"
    errors = dict(Witness.objects.values_list("vkey", "error"))
    assert all(errors.values())
    assert "10.1.2.3, which is not public" in errors[str(signer("e", b"\5" * 32).key)]


def test_a_witness_that_hangs_holds_up_no_other(heads, monkeypatch):
    hangs = register(signer("b", b"\2" * 32), "bob", "http://127.0.0.1:1")

    def in_time(call, seconds, key):
        if key == ("witness", hangs.pk):
            raise Late(seconds)
        return call()

    monkeypatch.setattr(witnesses, "in_time", in_time)
    line = signer().cosign(parse_note(heads[1].note).text, signed_at_s=AT_S)
    with witness_at(signer(), answer=(200, str(line).encode())) as (url, _):
        register(signer(), url=url)
        assert witnesses.collect() == 1
    hangs.refresh_from_db()
    assert hangs.error == "it took longer than 10 s"


@pytest.mark.django_db(transaction=True)
def test_who_collects_while_another_does_leaves_it_to_him(heads):
    found = []

    def other():
        found.append(witnesses.collect())
        connections.close_all()

    held = only_one(witnesses._COLLECTING)
    with witness_at(signer()) as (url, bodies), held as is_only:
        register(signer(), url=url)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(60)
    assert (is_only, found, bodies) == (True, [0], [])


def as_site(client, monkeypatch):
    """The command's requests go to the site under test."""

    class Answer:
        def __init__(self, answer):
            self.status_code, self.content = answer.status_code, answer.content
            self.ok, self.text = answer.status_code < 400, answer.content.decode()
            self.is_redirect = False

    def get(url):
        found = client.get(url.removeprefix("http://site"))
        if found.status_code != 200:
            raise witness_command.LogUnreachableError(f"{url} {found.status_code}")
        return found.content

    def post(url, data, headers, **_):
        path = url.removeprefix("http://site")
        return Answer(client.post(path, data, content_type=headers["Content-Type"]))

    monkeypatch.setattr(witness_command, "_get", get)
    monkeypatch.setattr(witness_command.requests, "post", post)


def test_of_two_processes_with_one_file_the_slower_one_cosigns_nothing(
    client, heads, tmp_path, monkeypatch
):
    """A site that answers one of them slowly could show each another history."""
    as_site(client, monkeypatch)
    path = tmp_path / "witness.json"
    slow, quick = (witness_command.WitnessState(path, "w") for _ in range(2))
    witnesses.register(vkey=str(slow.signer.key), owner="ada")
    given = {"site": "http://site", "key": log_keys.signers()[0].key}
    assert witness_command.cosign_once(state=quick, **given).size == 5
    with pytest.raises(witness_command.WitnessStateError, match="another process"):
        witness_command.cosign_once(state=slow, **given)
    assert witness_command.cosign_once(state=quick, **given).size == 5


def test_the_command_cosigns_what_grew_and_refuses_another_history(
    client, heads, append, tmp_path, monkeypatch
):
    log_key = log_keys.signers()[0].key
    as_site(client, monkeypatch)
    state = tmp_path / "witness.json"

    def run():
        arguments = ["http://site", str(log_key), "--state", str(state)]
        return CliRunner().invoke(witness_command.command, arguments)

    first = run()  # the site does not know it yet
    assert isinstance(first.exception, witness_command.LogUnreachableError)
    vkey = first.stderr.split()[1]
    witnesses.register(vkey=vkey, owner="ada")
    assert run().stdout.startswith("cosigned 5 ")
    append("e")
    sealing.seal()
    assert run().stdout.startswith("cosigned 6 ")
    assert state.stat().st_mode & 0o777 == 0o600
    assert str(witnesses.witnessed()) == "witnessed by 1 of 1 owners"
    raw = json.loads(state.read_text())
    raw["seen"]["example.org/log"]["root"] = "00" * 32
    state.write_text(json.dumps(raw))
    append("f")
    sealing.seal()
    refused = run()
    assert refused.exit_code == 1
    assert "REFUSED" in refused.stderr
    raw["seen"]["example.org/log"]["size"] = 99
    state.write_text(json.dumps(raw))
    assert "went back" in run().stderr
    assert Cosignature.objects.count() == 2


def test_the_command_accuses_nobody_of_a_page_that_is_no_log(
    client, heads, tmp_path, monkeypatch
):
    log_key = log_keys.signers()[0].key
    monkeypatch.setattr(witness_command, "_get", lambda _: b"<h1>Back soon</h1>")
    state = tmp_path / "witness.json"
    arguments = ["http://site", str(log_key), "--state", str(state)]
    found = CliRunner().invoke(witness_command.command, arguments)
    assert isinstance(found.exception, witness_command.LogUnreachableError)
    assert exits.code_of(found.exception) == exits.UNREACHABLE
    assert "shows no log" in str(found.exception)
    assert "REFUSED" not in found.stderr


def test_a_cosignature_that_the_command_sends_elsewhere_was_not_handed_in(
    client, heads, tmp_path, monkeypatch
):
    """As by a site that leads from http to https: a redirected POST becomes a GET."""
    as_site(client, monkeypatch)

    def post(url, allow_redirects, **_):
        assert not allow_redirects
        answer = requests.Response()
        answer.status_code, answer.headers["Location"] = 301, "https://site/log"
        return answer

    monkeypatch.setattr(witness_command.requests, "post", post)
    arguments = ["http://site", str(log_keys.signers()[0].key)]
    arguments += ["--state", str(tmp_path / "witness.json")]
    found = CliRunner().invoke(witness_command.command, arguments)
    assert isinstance(found.exception, witness_command.LogUnreachableError)
    assert "leads to https://site/log;" in str(found.exception)
    assert "cosigned" not in found.stdout


class CutOff(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"example.org/log")

    def log_message(self, *_):
        pass


def test_a_file_of_a_log_that_breaks_off_is_no_answer():
    with (
        serving(CutOff) as server,
        pytest.raises(witness_command.LogUnreachableError, match="does not answer"),
    ):
        witness_command._get(f"{server.url}/log/checkpoint")


def test_the_command_follows_the_logs_key_from_the_one_it_was_given(
    client, heads, append, tmp_path, monkeypatch
):
    as_site(client, monkeypatch)
    state = tmp_path / "witness.json"

    def run():
        arguments = ["http://site", str(key), "--state", str(state)]
        return CliRunner().invoke(witness_command.command, arguments)

    key = log_keys.signers()[0].key
    witnesses.register(vkey=run().stderr.split()[1], owner="ada")
    assert run().stdout.startswith("cosigned 5 ")
    for name in "ef":
        rotation.rotate(reason="once a year")
        append(name)
        sealing.seal()
    assert run().stdout.startswith("cosigned 9 ")
    known = json.loads(state.read_text())["keys"]
    assert known == {str(key): str(log_keys.signers()[0].key)}
    log_keys.key_file().unlink()
    new = rotation.replace_lost(reason="the disk died").key
    refused = run()
    assert refused.exit_code == 1
    assert f"was lost, so nothing vouches for {new}" in refused.stderr
    assert "evidence" not in refused.stderr
    key = new
    assert run().stdout.startswith("cosigned 10 ")
