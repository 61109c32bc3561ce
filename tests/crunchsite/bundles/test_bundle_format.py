"""Files that are no bundle are refused with a text and an exit code, at no cost."""

import zipfile
from io import BytesIO

import pytest

from crunchsite.bundles import bundle_format
from crunchsite.bundles.bundle_format import BundleError
from crunchsite.bundles.verify_bundle import verify_bundle
from crunchsite.coordinator import cli
from tests.crunchsite.bundles.tampering import OpenBundle

pytestmark = pytest.mark.django_db  # where the bundle is recorded


def changed(data, name, text):
    bundle = OpenBundle(data)
    bundle.files[name] = text
    bundle.rows.pop(name, None)
    return bundle.packed()


def bomb(data):
    """Claim a gigantic file, which the archive's own list says."""
    out = BytesIO(OpenBundle(data).packed())
    with zipfile.ZipFile(out, "a") as archive:
        archive.getinfo("leaves.bin").file_size = 2**40
        archive._didModify = True
    return out.getvalue()


def damaged_lzma(data):
    """Pack a file in another way than the site does, and change what is packed."""
    bundle, out = OpenBundle(data), BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in bundle.files.items():
            is_odd = name == "tape.jsonl"
            kind = zipfile.ZIP_LZMA if is_odd else zipfile.ZIP_DEFLATED
            archive.writestr(name, text, kind)
        begin = archive.getinfo("tape.jsonl").header_offset + 60
    changed = bytearray(out.getvalue())
    changed[begin : begin + 40] = b"\xff" * 40
    return bytes(changed)


HOSTILE = {
    "nothing": lambda data: b"",
    "text": lambda data: b"no zip",
    "cut in half": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-30],
    "a byte changed": lambda data: data[:3000] + bytes([data[3000] ^ 1]) + data[3001:],
    "a file outside": lambda data: changed(data, "../../evil.txt", b"x"),
    "a bomb": bomb,
    "no JSON": lambda data: changed(data, "rounds.jsonl", b"{\n"),
    "no text": lambda data: changed(data, "rounds.jsonl", b"\xff\n"),
    "a bare number": lambda data: changed(data, "checkpoint.json", b"1\n"),
    "a gigantic number": lambda data: changed(
        data, "checkpoint.json", b'"#' + b"9" * 10_000 + b'"\n'
    ),
    "too deep": lambda data: changed(data, "tape.jsonl", b"[" * 100_000 + b"\n"),
    "a list": lambda data: changed(data, "manifest.json", b"[]\n"),
    "another version": lambda data: changed(
        data, "manifest.json", b'{"format":"crunchsite-bundle","version":"#2"}\n'
    ),
    "an odd instant": lambda data: changed(
        data, "tape.jsonl", b'{"feed":"#0","closed_at":"soon"}\n'
    ),
    "an odd feed": lambda data: changed(
        data, "tape.jsonl", b'{"feed":"#9","closed_at":"2026-03-02T12:00:00Z"}\n'
    ),
    "half a hash": lambda data: changed(data, "leaves.bin", b"x" * 33),
    "hashes that pack small": lambda data: changed(data, "leaves.bin", bytes(2**20)),
    "lines that pack small": lambda data: changed(data, "tape.jsonl", b"{}\n" * 2**20),
    "damaged LZMA": damaged_lzma,
    "an instant of no zone": lambda data: changed(
        data, "tape.jsonl", b'{"feed":"#0","closed_at":"2026-03-02T12:00:00"}\n'
    ),
    "no line": lambda data: changed(data, "manifest.json", b""),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_bundle_is_refused_in_words(recorded, tmp_path, make):
    path = tmp_path / "bundle.zip"
    path.write_bytes(make(recorded.whole))
    with pytest.raises(BundleError, match=r"\w+.*\.$"):
        verify_bundle(path)
    assert [each.name for each in tmp_path.iterdir()] == ["bundle.zip"]


def test_a_line_is_read_up_to_a_limit(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_format, "LONGEST_LINE", 1_000)
    path = tmp_path / "bundle.zip"
    path.write_bytes(changed(recorded.whole, "tape.jsonl", b"[" * 2_000 + b"\n"))
    with pytest.raises(BundleError, match="too long or cut off"):
        verify_bundle(path)


def test_the_program_says_what_it_found(recorded, tmp_path, capsys):
    path = tmp_path / "bundle.zip"

    def run(data, *options):
        path.write_bytes(data)
        with pytest.raises(SystemExit) as end:
            cli.main(["verify", str(path), *options])
        return end.value.code, capsys.readouterr()

    code, said = run(recorded.whole, "--key", recorded.key)
    first, *_, last = said.out.splitlines()
    assert (code, last) == (0, "All that was done follows.")
    assert first.endswith(" of btc, 2026-03-02T10:00:00Z to 2026-03-02T12:00:00Z")
    bundle = OpenBundle(recorded.whole)
    bundle["checkpoint"][0]["tx_hash"] = "0xdead"
    code, said = run(bundle.packed())
    assert (code, said.out.splitlines()[-1]) == (1, "Does NOT follow: transaction.")
    code, said = run(b"no zip")
    assert (code, said.out) == (2, "")
    assert "is no bundle" in said.err
    assert run(recorded.whole, "--key", "odd")[0] == 2
