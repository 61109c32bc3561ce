"""The witness in the participant's package cosigns what grew, and nothing else."""

import importlib
import json

import pytest
import requests
from click.testing import CliRunner

from core.tlog.note import Note, parse_note
from proofs import log_keys, rotation, sealing, witnesses
from proofs.models import LogCheckpoint
from tests.participants import imported, lay_out, session_to_site

SITE = "http://testserver"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("desk"), "baseline", name="btc-demo")


@pytest.fixture
def witness(workspace, monkeypatch, tmp_path):
    """Run the package's command; its requests go to the site in this process."""
    monkeypatch.setenv("HOME", str(tmp_path))
    _, adapter = session_to_site()
    monkeypatch.setattr(requests.Session, "get_adapter", lambda *_, **__: adapter)
    with imported(workspace) as package:
        commands = importlib.import_module(f"{package.__name__}.commands")

        def run(*arguments, vkey=None):
            key = vkey or str(log_keys.signers()[0].key)
            return CliRunner().invoke(
                commands.main, ["--json", "witness", SITE, key, *arguments]
            )

        run.site = adapter
        run.file = tmp_path / ".config" / "crunch-btc-demo" / "witness.json"
        yield run


@pytest.fixture
def known(db, log_key, append, witness):
    """A log of two entries, and a site that knows the witness."""
    append("a")
    sealing.seal()
    refused = witness()
    assert (refused.exit_code, witness.file.stat().st_mode & 0o777) == (5, 0o600)
    vkey = refused.stderr.split()[1]
    assert vkey in refused.stderr.split("operator")[1]
    witnesses.register(vkey=vkey, owner="ada")
    return witness


def test_it_cosigns_again_and_again_and_remembers_in_its_file(known, append):
    assert json.loads(known().stdout) == {"size": 2}
    append("b", "c")
    sealing.seal()
    assert json.loads(known().stdout) == {"size": 4}
    assert str(witnesses.witnessed()) == "witnessed by 1 of 1 owners"
    assert json.loads(known.file.read_text())["seen"]["example.org/log"]["size"] == 4


def test_of_two_processes_with_one_file_the_slower_one_cosigns_nothing(
    known, append, workspace
):
    with imported(workspace) as package:
        module = importlib.import_module(f"{package.__name__}.witness")
        slow = module.Witness(known.file)
        append("b")
        sealing.seal()
        assert known().exit_code == 0
        vkey = str(log_keys.signers()[0].key)
        with pytest.raises(module.InvalidInput, match="another process"):
            slow.cosign(SITE, vkey)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"root": "00" * 32}, "has another root"),
        ({"size": 9}, "the log went back from 9 entries to 4"),
    ],
)
def test_a_log_that_does_not_follow_is_refused_and_kept_as_evidence(
    known, append, change, told
):
    known()
    append("b", "c")
    sealing.seal()
    state = json.loads(known.file.read_text())
    state["seen"]["example.org/log"].update(change)
    known.file.write_text(json.dumps(state))
    before = known.file.read_bytes(), len(known.site.asked)
    found = known()
    assert (found.exit_code, json.loads(found.stdout)["code"]) == (1, "log_forked")
    assert told in found.stderr
    assert known.file.read_bytes() == before[0]
    assert "/log/witnesses" not in known.site.asked[before[1] :]
    evidence = known.file.with_suffix(".refused")
    assert "\n4\n" in evidence.read_text()
    evidence.unlink()
    evidence.symlink_to(known.file.parent / "nowhere" / "x")  # cannot be written
    found = known()
    assert (found.exit_code, json.loads(found.stdout)["code"]) == (1, "log_forked")
    assert "\n4\n" in found.stderr


@pytest.mark.parametrize("times", [1, 2])
def test_the_first_key_leads_to_the_logs_newest(known, append, times):
    known()
    old = str(log_keys.signers()[0].key)
    for _ in range(times):
        rotation.rotate(reason="once a year")
    append("b")
    sealing.seal()
    assert json.loads(known(vkey=old).stdout) == {"size": 3 + times}
    newest = str(log_keys.signers()[0].key)
    assert json.loads(known.file.read_text())["keys"] == {old: newest}
    assert json.loads(known().stdout) == {"size": 3 + times}


def test_a_witness_that_saw_a_key_end_takes_no_head_by_it(known, append):
    """Whoever stole the old key signs on what the log has."""
    old = log_keys.signers()[0]
    rotation.rotate(reason="it was stolen")
    append("b")
    sealing.seal()
    known(vkey=str(old.key))
    append("c")
    sealing.seal()
    text = parse_note(LogCheckpoint.objects.first().note).text
    by_thief = str(Note(text, (old.sign(text),)))
    LogCheckpoint.objects.filter(size=5).update(note=by_thief)
    found = known(vkey=str(old.key))
    assert (found.exit_code, json.loads(found.stdout)["code"]) == (2, "invalid_input")
    assert "none of the known keys has signed this" in found.stderr


def forged(changes):
    """Name a key that the log does not have, in the head of whoever stole the first."""
    [change] = json.loads(changes)
    entry = change["entry"].replace("once a year", "once a week")
    return json.dumps([{**change, "entry": entry}])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (forged, "has signed covers entry 2, which names example.org/log"),
        (lambda changes: "[]", "none of the known keys has signed this"),
        (lambda changes: '[{"index": 2}]', "shows no log"),
        (lambda changes: "[" * 10_000, "shows no log"),
    ],
)
def test_a_key_that_nothing_leads_to_is_refused_and_accuses_nobody(
    known, append, change, told, monkeypatch
):
    known()
    old = str(log_keys.signers()[0].key)
    rotation.rotate(reason="once a year")
    append("b")
    sealing.seal()

    def shown(url, response):
        if url.endswith("/log/key-changes"):
            response._content = change(response.content.decode()).encode()
        return response

    with monkeypatch.context() as patch:
        patch.setattr(known.site, "broken", shown)
        found = known(vkey=old)
    assert found.exit_code in {2, 4}
    assert told in found.stderr
    assert not known.file.with_suffix(".refused").exists()
    assert json.loads(known().stdout) == {"size": 4}  # by the new key, the same state


def test_a_cosignature_that_is_sent_elsewhere_was_not_handed_in(known):
    """As by a site that leads from http to https: a redirected POST becomes a GET."""

    def moved(url, response):
        if response.request.method == "POST":
            response.status_code = 301
            response.headers["Location"] = f"{SITE}/log/witnesses?"
        return response

    known.site.broken = moved
    found = known()
    assert (found.exit_code, json.loads(found.stdout)["code"]) == (4, "unreachable")
    assert f"leads to '{SITE}/log/witnesses?'" in found.stderr


def test_what_cannot_be_used_says_what_and_why(known):
    def broken(url, response):
        response.status_code = 502
        return response

    for arguments, code, told in (
        ({"vkey": "x"}, 2, "the log's key cannot be used"),
        ({}, 4, "answered 502"),
    ):
        if code == 4:
            known.site.broken = broken
        found = known(**arguments)
        assert (found.exit_code, told in found.stderr) == (code, True), found.stderr
    known.file.write_text('{"name": "w", "private": "00"}')
    found = known()
    assert (found.exit_code, "no file of a witness" in found.stderr) == (2, True)
    assert (
        known("--state", str(known.file.parent / "n.json"), "--name", "a b").exit_code
        == 2
    )
    assert not (known.file.parent / "n.json").exists()
