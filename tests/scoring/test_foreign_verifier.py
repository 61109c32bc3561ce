"""PyPI's `proofbundle` accepts our receipts, and refuses each change of them."""

import json
import subprocess
from base64 import b64encode
from dataclasses import replace

import pytest

from core.tlog.log_proof import parse_log_proof
from core.tlog.note import COSIGNATURE, Signer, parse_note
from core.tlog.witnessing import cosigned
from proofs import log_keys, rotation, sealing, witnesses
from proofs.models import LogCheckpoint
from scoring.receipts import receipts_of
from tests.competitions.conftest import competition as competition  # noqa: PLC0414  a fixture
from tests.competitions.conftest import tape as tape  # noqa: PLC0414  a fixture
from tests.competitions.rounds.conftest import ask
from tests.competitions.rounds.conftest import round_ as round_  # noqa: PLC0414  a fixture
from tests.foreign import installed
from tests.proofs.conftest import ORIGIN
from tests.proofs.conftest import append as append  # noqa: PLC0414  a fixture
from tests.proofs.conftest import keyless as keyless  # noqa: PLC0414  a fixture
from tests.proofs.conftest import log_key as log_key  # noqa: PLC0414  a fixture
from tests.scoring.test_receipts import STRANGER, prediction

pytestmark = pytest.mark.usefixtures("tape")
AT_S = 1_772_452_800
WITNESS = Signer("w.example", b"\1" * 32, COSIGNATURE)
OTHER = Signer("v.example", b"\2" * 32, COSIGNATURE)
# Runs many commands in one process: each would start Python anew.
RUNS = """
import contextlib, io, json, sys
from proofbundle.cli import main
codes = []
for arguments in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()):
        codes.append(main(arguments))
print(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def python():
    return installed("proofbundle==6.3.1", "proofbundle").with_name("python")


@pytest.fixture
def receipt(log_key, round_, append):
    """The receipt of one of seven answers, cosigned by a witness; it has `keys`."""
    rotation.rotate(reason="once a year")
    ask(round_, {str(i): i / 7 for i in range(7)})
    append(*"abcde")
    sealing.seal()
    witnesses.register(vkey=str(WITNESS.key), owner="ada")
    head = parse_note(LogCheckpoint.objects.first().note)
    witnesses.accept(cosigned(head, WITNESS, signed_at_s=AT_S))
    (found,) = receipts_of([prediction("3")], STRANGER)
    return found.proof


def test_a_strangers_tool_accepts_a_receipt_and_refuses_each_change(
    python, receipt, tmp_path
):
    log_key = log_keys.signers()[0].key
    proof = parse_log_proof(receipt)
    entry = json.loads(proof.extra)["entry"]
    head = parse_note(proof.checkpoint)
    root = head.text.split("\n")[2]
    by_log, by_witness = map(str, head.signatures)
    zeros = b64encode(bytes(32)).decode()

    def with_head(*change):
        return str(replace(proof, checkpoint=proof.checkpoint.replace(*change)))

    def flipped(line):
        """Change a bit in the middle of a signature."""
        place = len(line) // 2
        return line[:place] + ("A" if line[place] != "A" else "B") + line[place + 1 :]

    asked = {"vkey": log_key, "witness": WITNESS.key, "origin": ORIGIN, "least": 1}
    changes = {
        "nothing": {},
        "nothing, and no witness is asked for": {"least": 0},
        "extra, which nothing signs": {"text": str(replace(proof, extra=b"{}"))},
        "the entry": {"entry": entry.replace('"answers":7', '"answers":6')},
        "the index": {"text": str(replace(proof, index=proof.index + 1))},
        "a hash": {"text": str(replace(proof, path=(bytes(32), *proof.path[1:])))},
        "a hash too few": {"text": str(replace(proof, path=proof.path[1:]))},
        "the order of hashes": {"text": str(replace(proof, path=proof.path[::-1]))},
        "the root": {"text": with_head(root, zeros)},
        "the size": {"text": with_head("\n9\n", "\n8\n")},
        "the log's name": {"text": with_head(ORIGIN + "\n9", "example.com/log\n9")},
        "the log's signature": {"text": with_head(by_log, flipped(by_log))},
        "the log's signature is gone": {"text": with_head(by_log, "")},
        "the witness's signature": {"text": with_head(by_witness, flipped(by_witness))},
        "the witness's signature is gone": {"text": with_head(by_witness, "")},
        "another witness is asked for": {"witness": OTHER.key},
        "two witnesses are asked for": {"least": 2},
        "another log's key": {"vkey": Signer(ORIGIN, b"\3" * 32).key},
        "another log is asked for": {"origin": "other.org/log"},
    }
    calls = []
    for number, change in enumerate(changes.values()):
        case = {"text": receipt, "entry": entry, **asked, **change}
        proof_file, entry_file = (
            tmp_path / f"{number}.tlog-proof",
            tmp_path / f"{number}",
        )
        proof_file.write_text(case["text"], encoding="utf-8")
        entry_file.write_text(case["entry"], encoding="utf-8")
        calls.append(
            [
                *("verify-proof", str(proof_file), "--payload-file", str(entry_file)),
                *("--log-vkey", str(case["vkey"]), "--expected-origin", case["origin"]),
                *("--witness-vkey", str(case["witness"])),
                *("--threshold", str(case["least"])),
            ]
        )
    found = subprocess.run(
        [python, "-c", RUNS],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        check=True,
    )
    codes = dict(zip(changes, json.loads(found.stdout), strict=True))
    accepted = [name for name, code in codes.items() if code == 0]
    assert accepted == list(changes)[:3], codes
    assert set(codes.values()) == {0, 1}
