"""Receipts are proofs that anybody's tools verify, and open for whom they may."""

import importlib
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from cryptography.exceptions import InvalidSignature

from competitions.models import Cruncher, Prediction, Round
from competitions.rounds import round_leaves
from core.tlog.errors import ProofError
from core.tlog.log_checkpoint import TreeHead
from core.tlog.log_proof import parse_log_proof, verify_log_proof
from core.tlog.merkle import leaf_hash, verify_inclusion
from core.tlog.note import Note, Signer
from proofs import rotation, sealing
from proofs.key_leaves import vkeys
from scoring import receipts
from scoring.receipts import receipts_of
from tests.competitions.conftest import competition as competition  # noqa: PLC0414  a fixture
from tests.competitions.conftest import tape as tape  # noqa: PLC0414  a fixture
from tests.competitions.rounds.conftest import ask
from tests.competitions.rounds.conftest import round_ as round_  # noqa: PLC0414  a fixture
from tests.participants import imported, lay_out
from tests.proofs.conftest import ORIGIN
from tests.proofs.conftest import append as append  # noqa: PLC0414  a fixture
from tests.proofs.conftest import keyless as keyless  # noqa: PLC0414  a fixture
from tests.proofs.conftest import log_key as log_key  # noqa: PLC0414  a fixture
from tests.scoring import stranger

pytestmark = pytest.mark.usefixtures("tape")
STRANGER = SimpleNamespace(is_active=False)


def prediction(model):
    rows = Prediction.objects.select_related("round", "model")
    return rows.get(model__model_id=model)


def verify(text, key):
    """Check a receipt as a stranger does; return what the answer was, if it is open."""
    proof = parse_log_proof(text)
    extra = json.loads(proof.extra)
    verify_log_proof(proof, extra["entry"].encode(), origin=ORIGIN, keys=[key])
    if "opened" not in extra:
        return None
    opened, inner = extra["opened"], extra["inner"]
    verify_inclusion(
        leaf=leaf_hash(bytes.fromhex(opened["nonce"]) + opened["answer"].encode()),
        index=inner["index"],
        size=inner["size"],
        path=[bytes.fromhex(node) for node in inner["path"]],
        root=bytes.fromhex(json.loads(extra["entry"])["root"]),
    )
    return json.loads(opened["answer"])


def test_a_receipt_proves_the_answer_once_its_round_has_ended(log_key, round_, append):
    ask(round_, {"a": 0.25, "b": 1e22, "c": None})
    sealing.seal()
    append("later")
    sealing.seal()
    (early,) = receipts_of([prediction("a")], STRANGER)
    assert early.head.size == 3  # the first that covers it: key, rules, round
    assert verify(early.proof, log_key) is early.opened is None
    Round.objects.update(status="VOID", reason="void: x")
    (late,) = receipts_of([prediction("b")], STRANGER)
    assert verify(late.proof, log_key) == {
        "exec_time_us": 1500,
        "model": "b",
        "outcome": "ANSWERED",
        "output": {"value": "#1" + 22 * "0"},
        "reason": "",
    }
    (absent,) = receipts_of([prediction("c")], STRANGER)
    assert verify(absent.proof, log_key)["outcome"] == "ABSENT"


def test_a_stranger_verifies_a_receipt_by_the_page_alone(log_key, round_, append):
    ask(round_, {str(i): float(i) for i in range(7)})
    append(*"abcdef")
    sealing.seal()
    Round.objects.update(status="VOID", reason="void: x")
    for each in Prediction.objects.select_related("round", "model"):
        (found,) = receipts_of([each], STRANGER)
        answer = stranger.verify(found.proof, str(log_key))
        assert answer["output"] == {"value": f"#{each.model.model_id}"}
        with pytest.raises(InvalidSignature):
            stranger.verify(found.proof.replace("\n9\n", "\n8\n"), str(log_key))


def test_a_round_whose_seed_is_of_before_has_its_receipts(log_key, round_, monkeypatch):
    monkeypatch.setattr(round_leaves, "new_seed", lambda: bytes(range(32)))
    ask(round_, {"a": 0.25, "b": 0.5})
    sealing.seal()
    Round.objects.update(status="VOID", reason="void: x")
    found = receipts_of([prediction("a"), prediction("b")], STRANGER)
    assert [verify(each.proof, log_key)["output"] for each in found] == [
        {"value": "#0.25"},
        {"value": "#0.5"},
    ]


def test_who_owns_an_answer_may_open_it_at_once(log_key, round_):
    ask(round_, {"a": 0.25})
    sealing.seal()
    owner = SimpleNamespace(
        is_active=True, is_key=True, cruncher_id=Cruncher.objects.get().pk,
        acts_on_own=frozenset(), competition_id=None,
    )  # fmt: skip
    (mine,) = receipts_of([prediction("a")], owner)
    assert verify(mine.proof, log_key)["output"] == {"value": "#0.25"}
    owner.cruncher_id += 1
    (not_mine,) = receipts_of([prediction("a")], owner)
    assert not_mine.opened is None


def test_an_answer_that_was_changed_since_is_named(log_key, round_):
    ask(round_, {"a": 0.25, "b": 0.5})
    sealing.seal()
    Prediction.objects.filter(model__model_id="a").update(output={"value": 0.75})
    found = receipts_of([prediction("a"), prediction("b")], STRANGER)
    assert [each.problem for each in found] == [receipts.DIFFERS, ""]


def test_what_has_no_proof_says_why(log_key, round_):
    ask(round_, {"a": 0.25})
    (waits,) = receipts_of([prediction("a")], STRANGER)
    assert (waits.problem, waits.proof) == (receipts.WAITS, "")
    sealing.seal()
    prediction("a").model.__class__.objects.update(is_virtual=True)
    (virtual,) = receipts_of([prediction("a")], STRANGER)
    assert virtual.problem == receipts.OF_ENSEMBLE


def test_statements_do_not_depend_on_the_number_of_receipts(
    log_key, round_, django_assert_num_queries
):
    ask(round_, {str(i): float(i) for i in range(30)})
    sealing.seal()
    rows = list(Prediction.objects.select_related("round", "model"))
    for count in (1, 30):
        with django_assert_num_queries(6):
            receipts_of(rows[:count], STRANGER)


def test_a_receipt_does_not_verify_for_another_answer_or_key(log_key, round_):
    ask(round_, {"a": 0.25})
    sealing.seal()
    Round.objects.update(status="VOID", reason="void: x")
    (found,) = receipts_of([prediction("a")], STRANGER)
    proof = parse_log_proof(found.proof)
    entry = json.loads(proof.extra)["entry"].replace('"answers":1', '"answers":2')
    with pytest.raises(ProofError):
        verify_log_proof(proof, entry.encode(), origin=ORIGIN, keys=[log_key])


def test_the_addresses(client, log_key, round_):
    ask(round_, {"a": 0.25})
    pk = prediction("a").pk
    row = client.get(f"/reports/receipts/{pk}").json()
    assert (row["problem"], row["proof"], row["index"]) == (receipts.WAITS, "", None)
    refused = client.get(f"/reports/receipts/{pk}.tlog-proof")
    assert (refused.status_code, refused.json()["code"]) == (409, "log_proof")
    sealing.seal()
    row = client.get(f"/reports/receipts/{pk}").json()
    assert (row["model_id"], row["size"], row["index"]) == ("a", 3, 2)
    assert (row["signed_at"], row["opened"]) == ("2026-03-02T12:00:00Z", None)
    file = client.get(f"/reports/receipts/{pk}.tlog-proof")
    assert file.content.decode() == row["proof"]
    assert file["Content-Type"] == "text/plain; charset=utf-8"
    assert verify(row["proof"], log_key) is None
    day = client.get("/reports/models/a/receipts", {"day": "2026-03-02"}).json()
    assert day == [row]
    assert client.get("/reports/models/a/receipts?day=2026-03-03").json() == []
    assert client.get("/reports/models/a/receipts").status_code == 422
    assert client.get("/reports/models/z/receipts?day=2026-03-02").status_code == 404
    for odd in (pk + 1, "9" * 18):
        missing = client.get(f"/reports/receipts/{odd}")
        assert missing.json()["code"] == "prediction_not_found"


def test_the_participants_package_verifies_a_receipt_alone(log_key, round_, tmp_path):
    ask(round_, {"a": 0.25, "b": 1.0})
    sealing.seal()
    Round.objects.update(status="VOID", reason="void: x")
    (found,) = receipts_of([prediction("a")], STRANGER)
    with imported(lay_out(tmp_path, "baseline", name="desk")) as package:
        module = importlib.import_module(f"{package.__name__}.receipts")
        proved = module.verify_receipt(found.proof, str(log_key))
        assert proved["answer"]["output"] == {"value": "#0.25"}
        with pytest.raises(module.Forged, match="does not hold"):
            module.verify_receipt(forged(found.proof), str(log_key))
        with pytest.raises(module.InvalidInput, match="no receipt"):
            module.verify_receipt("c2sp", str(log_key))
        main = importlib.import_module(f"{package.__name__}.commands").main
        file = tmp_path / "odd.tlog-proof"
        for content, code in ((found.proof.encode(), 0), (b"\x89PNG\xff", 2)):
            file.write_bytes(content)
            arguments = ["receipts", "verify", str(file), "--key", str(log_key)]
            told = CliRunner().invoke(main, arguments)
            assert (told.exit_code, "no receipt" in told.stderr) == (code, code == 2)


@pytest.mark.parametrize(
    ("changed", "holds"),
    [({}, True), ({"kind": "release"}, False), ({"answers": 1}, False)],
    ids=str,
)
def test_a_receipt_is_of_an_entry_of_a_round(log_key, round_, tmp_path, changed, holds):
    """An entry of any other kind may have come when the truth was known."""
    ask(round_, {"a": 0.25, "b": 1.0})
    sealing.seal()
    Round.objects.update(status="VOID", reason="void: x")
    (found,) = receipts_of([prediction("a")], STRANGER)
    extra = json.loads(parse_log_proof(found.proof).extra)
    extra["entry"] = json.dumps(json.loads(extra["entry"]) | changed)
    signer = Signer(ORIGIN, bytes(range(32)))
    head = TreeHead(ORIGIN, 1, leaf_hash(extra["entry"].encode())).text()
    made = replace(
        parse_log_proof(found.proof),
        index=0,
        path=(),
        checkpoint=str(Note(head, (signer.sign(head),))),
        extra=json.dumps(extra).encode(),
    )
    with imported(lay_out(tmp_path, "baseline", name="desk")) as package:
        module = importlib.import_module(f"{package.__name__}.receipts")
        if holds:
            assert module.verify_receipt(str(made), str(signer.key))["index"] == 0
            return
        with pytest.raises(module.Forged, match="of no round with as many answers"):
            module.verify_receipt(str(made), str(signer.key))


def test_a_receipt_leads_from_the_first_key_to_the_one_that_signed_it(
    log_key, round_, append, tmp_path
):
    append("a")
    sealing.seal()
    for _ in range(2):
        rotation.rotate(reason="once a year")
    ask(round_, {"a": 0.25})
    sealing.seal()
    (found,) = receipts_of([prediction("a")], STRANGER)
    keys = json.loads(parse_log_proof(found.proof).extra)["keys"]
    assert [each["index"] for each in keys] == [2, 3]
    with imported(lay_out(tmp_path, "baseline", name="desk")) as package:
        module = importlib.import_module(f"{package.__name__}.receipts")
        for key in vkeys():
            assert module.verify_receipt(found.proof, str(key))["size"] == 6
        for changed, told in (
            (with_keys(found.proof, keys[1:]), "no key that is known leads to"),
            (with_keys(found.proof, []), "none of the known keys has signed"),
            (
                with_keys(found.proof, [{**keys[0], "path": []}, keys[1]]),
                "no key that is known leads to",
            ),
        ):
            with pytest.raises(module.Forged, match=told):
                module.verify_receipt(changed, str(log_key))
        with pytest.raises(module.InvalidInput, match="no receipt"):
            module.verify_receipt(with_keys(found.proof, [{}]), str(log_key))


def with_keys(text, keys):
    """The same receipt with other changes of the log's key."""
    proof = parse_log_proof(text)
    extra = json.loads(proof.extra) | {"keys": keys}
    return str(replace(proof, extra=json.dumps(extra).encode()))


def forged(text):
    """The same receipt with another answer in it."""
    proof = parse_log_proof(text)
    extra = json.loads(proof.extra)
    extra["opened"]["answer"] = extra["opened"]["answer"].replace("#0.25", "#0.5")
    return str(replace(proof, extra=json.dumps(extra).encode()))
