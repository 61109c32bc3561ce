"""The file for strangers comes to the same end, with its own code alone.

It is small: what it leaves to `coordinator verify`, it says.
"""

import ast
import json
import re
import runpy
import sys
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace

import pytest

from core.tlog.exact import exact_json, parse_exact
from core.tlog.log_checkpoint import TreeHead
from core.tlog.merkle import MemoryTree, inclusion_proof, leaf_hash, root_of
from core.tlog.note import Note, parse_note
from core.tlog.witnessing import cosigned
from crunchsite.coordinator import export_period, verify
from tests.crunchsite.bundles.recorded import ORIGIN, SCORER, WITNESS
from tests.crunchsite.bundles.reforging import facts_of, relogged
from tests.crunchsite.bundles.tampering import (
    NAMES,
    OTHER,
    TAMPERINGS,
    OpenBundle,
    changed_reason,
    changed_result,
)

pytestmark = pytest.mark.django_db  # where the bundle is recorded
FILE = "crunchsite/static/site/verify.py"
FOLLOWS = "All that was done follows."

PERIOD = r"CKP_\d+ of btc, 2026-03-02T10:00:00Z to 2026-03-02T12:00:00Z"
# By what is changed: the step that finds it, and words of what it says.
NAMED = {
    "score": ("scores", "round N: the score of a: value is"),
    "prediction": ("predictions", "the answers of round N, by the log: root is"),
    "order": ("entries", "entry 2 is not what the log has at this place"),
    "dropped_model": ("ranking", "d was asked, and was dropped"),
    "truth": ("truth", "does not follow from the candles"),
    "candle": ("truth", "does not follow from the candles"),
    "rank": ("ranking", "place 1: rank is 2, but 1 follows"),
    "share": ("emission", "the tiers give Counter("),
    "transaction": ("transaction", "tx_hash is 0xdead, but 0xbeef follows"),
    "key": ("heads", "is signed by no known key of the log"),
    "head": ("heads", "is signed by no known key of the log"),
    "fork": ("fork", "is of another history than the log's hashes"),
    # And what is no part of the dozen.
    "failed": ("scores", "the score of a: success is False, but True follows"),
    "late": ("order", "signed before its truth could be known"),
    "dropped_answer": ("predictions", "answers is 3, but 4 follows"),
    "dropped_snapshot": ("periods", "the snapshots, by the log:"),
    "listed_twice": ("ranking", "a model is there twice"),
    "dropped_round": ("predictions", "not here: ["),
    "posted": ("truth", "does not follow from the candles"),
    "later_candle": ("truth", "does not follow from the candles"),
    "figure": ("ranking", "ranking_value is"),
    "ledger": ("ledger", "by the log: ledger is"),
    "stolen": ("heads", "is signed by no known key of the log"),
    "no_heads": ("heads", "no head covers all 19 entries"),
    "other": ("transaction", "period_start is 2026-03-02T08:00:00Z, but"),
    "paid_twice": ("ledger", "'PAID': Counter("),
    "not_paid": ("ledger", "'PAID': Counter("),
    "odd_line": ("ledger", "'BONUS': Counter("),
    "hidden_answer": ("predictions", "the answers of round N, by the log: root is"),
    "repeated_entry": ("entries", "entry 3 is not what the log has at this place"),
    "other_feed": ("truth", "does not follow from the candles"),
    "other_subject": ("truth", "round N: subject is ETH, but BTCUSDT follows"),
    "other_scope": ("predictions", "scope_key is eth-60, but btc-60 follows"),
    "repeated_round": ("predictions", "is not in the log, or is there twice"),
    "extra_snapshot": ("periods", "2026-03-02T09:00:00Z is None, but"),
    "paid_at": ("ledger", "by the log: ledger is"),
    "made_at": ("transaction", "created_at is 2026-03-02T12:30:00Z, but"),
    "submitted_at": ("transaction", "submitted_at is 2026-03-02T12:30:00Z, but"),
    # And what the log has so from its beginning.
    "other_direction": ("ranking", "ranking_direction is asc, but desc follows"),
    "other_strategy": ("ranking", "of the checkpoint: rule is {'best': 1,"),
    "other_provider": ("ranking", "crunch is FRIEND, but CRUNCH follows"),
    "other_coverage": ("ranking", "min_paid_coverage is 0.01, but 0.5 follows"),
    "other_competition": ("entries", "entry 5 is not what the log has at this place"),
    "moved_out": ("snapshots", "scores are in no snapshot, or in two of them"),
    "left_out": ("predictions", "not here: ["),
    "two_answers": ("predictions", "answers is 4, but 5 follows"),
    "few_rounds": ("ranking", "1: too few rounds"),
    "counted_twice": ("snapshots", "scores are in no snapshot, or in two of them"),
    "overlapping": ("snapshots", "scores are in no snapshot, or in two of them"),
    "called_virtual": ("ranking", "ranking_value is"),
    "beside_its_hash": ("periods", "the snapshots, by the log:"),
    "logged_twice": ("predictions", "not here: []"),
    "unordered_tape": ("truth", "tape out of order"),
    "instant_twice": ("truth", "tape out of order"),
}


@pytest.fixture
def run(recorded, tmp_path, monkeypatch, capsys):
    """Run it on a bundle's bytes; return the exit code and what it prints."""

    def verify(data, *options):
        path = tmp_path / "bundle.zip"
        path.write_bytes(data)
        monkeypatch.setattr(sys, "argv", ["verify.py", str(path), *options])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(recorded.root / FILE), run_name="__main__")
        said = capsys.readouterr()
        return int(end.value.code), said.out + said.err

    return verify


def of_step(said, step):
    """Return what is said of a step that fails."""
    (_, found) = said.split(f"FAILED    {step}: ")
    # The database counts rounds of tests of before as well.
    return re.sub(r"round \d+", "round N", re.split(r"\n(?! )", found)[0])


def test_it_needs_the_standard_library_and_cryptography_alone(recorded):
    tree = ast.parse((recorded.root / FILE).read_text())
    roots = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module]
            if isinstance(node, ast.ImportFrom)
            else [each.name for each in node.names]
        )
    }
    assert roots - sys.stdlib_module_names == {"cryptography"}


def test_all_of_a_bundle_follows(recorded, run):
    options = ("--key", recorded.key, "--key", str(WITNESS.key))
    code, said = run(recorded.whole, *options, "--scorer", str(recorded.root / SCORER))
    assert (code, said.splitlines()[-1]) == (0, FOLLOWS)
    assert re.fullmatch(PERIOD, said.splitlines()[0])
    held = re.findall(r"^ok +(\w+): (\d+) of \2 hold$", said, re.MULTILINE)
    assert {step: int(count) for step, count in held} == {
        "heads": 13, "fork": 12, "entries": 19, "rules": 1, "predictions": 89,
        "order": 11, "witnesses": 11, "truth": 23, "scorer": 1, "scores": 130,
        "snapshots": 17, "periods": 3, "transaction": 8, "ranking": 30,
        "emission": 2, "ledger": 2,
    }  # fmt: skip
    assert re.findall(r"^NOT DONE  (.*)$", said, re.MULTILINE) == [
        "keys: that the log names them; after a rotation, give each of them",
        "truth: whose records are; whose, if entries do not say; when stored",
        "scores: why there is none; fields that its scorer does not give",
        "periods: whether some are missing, or of another time",
        "transaction: a later settlement would not be in the bundle",
        "ranking: whose indices and keys are; what is due; near ties; unpaid",
    ]


def test_a_file_that_is_there_twice_is_refused(recorded, run):
    """Whoever unpacks the bundle may see the other one."""
    bundle = OpenBundle(recorded.whole)
    bundle.files["checkpoint.other"] = bundle.files["checkpoint.json"]
    code, said = run(bundle.packed())
    assert code == 2
    assert "checkpoint is twice, or too large" in said


def test_a_witness_signs_no_head_for_the_log(recorded, run):
    bundle = OpenBundle(recorded.whole)
    for head in bundle["heads"]:
        note = parse_note(head["note"])
        head["note"] = cosigned(Note(note.text, ()), WITNESS, signed_at_s=0)
    options = ("--key", recorded.key, "--key", str(WITNESS.key))
    code, said = run(bundle.packed(), *options)
    assert code == 1
    assert "is signed by no known key of the log" in of_step(said, "heads")


@pytest.mark.parametrize("change", TAMPERINGS, ids=NAMES)
def test_each_tampering_is_named(recorded, run, change):
    bundle = OpenBundle(recorded.whole)
    change[0](bundle, recorded.signer)
    options = ("--key", recorded.key) if change[0].__name__ == "_stolen" else ()
    code, said = run(bundle.packed(), *options, "--scorer", str(recorded.root / SCORER))
    step, words = NAMED[change[0].__name__.strip("_")]
    assert code == 1
    assert words in of_step(said, step)


def test_a_changed_reason_is_named(recorded, run):
    bundle = OpenBundle(recorded.changed)
    changed_reason(bundle)
    code, said = run(bundle.packed())
    assert (code, said.count("FAILED")) == (1, 1)
    assert "by the log: ledger is" in of_step(said, "ledger")


def test_each_field_of_a_result_is_compared(recorded, run):
    bundle = OpenBundle(recorded.whole)
    changed_result(bundle)
    code, said = run(bundle.packed(), "--scorer", str(recorded.root / SCORER))
    assert code == 1
    assert "the score of a: actual_return is" in of_step(said, "scores")


def test_an_entry_does_not_escape_to_where_the_bundle_has_no_hashes(recorded, run):
    """Entries of keys and rules alone may be older than the hashes."""
    bundle = OpenBundle(recorded.whole)
    row = bundle["entries"][2]
    row["entry"] = row["entry"].replace('"answers":4', '"answers":5')
    row["index"] = 0
    code, said = run(bundle.packed())
    assert code == 1
    assert "entry 0 is not what the log has" in of_step(said, "entries")


def test_a_file_of_another_name_is_not_taken_for_what_was_asked(recorded, run):
    bundle = OpenBundle(recorded.whole)
    for name in ("key.jsonl", "scorer.jsonl", "raw.jsonl", "of.jsonl", "known.jsonl"):
        bundle.files[name] = b'"odd"\n'
    code, said = run(bundle.packed(), "--key", str(OTHER.key))
    assert (code, "no --key was given" in said) == (1, False)
    assert "is signed by no known key of the log" in of_step(said, "heads")
    assert run(bundle.packed(), "--key", recorded.key)[0] == 0


def _gigantic_end(bundle):
    bundle["manifest"][0]["end"] = 10**15


def _gigantic_start(bundle):
    bundle["manifest"][0].update(start=10**15, end=10**15 + 17, before=[])


def _gigantic_head(bundle):
    head = bundle["heads"][0]
    head["note"] = re.sub(r"\n\d+\n", f"\n{10**15}\n", head["note"], count=1)


@pytest.mark.parametrize("change", [_gigantic_end, _gigantic_start, _gigantic_head])
def test_what_claims_a_gigantic_log_is_refused_at_once(recorded, run, change):
    bundle = OpenBundle(recorded.whole)
    change(bundle)
    code, said = run(bundle.packed())
    assert code == 2
    assert "This cannot be verified to its end" in said


@pytest.mark.parametrize("name", ["leaves.bin", "tape.jsonl"])
def test_a_bomb_is_refused(recorded, run, name):
    bundle = OpenBundle(recorded.whole)
    bundle.rows.pop(name, None)
    bundle.files[name] = b"{}\n" * 2**20
    code, said = run(bundle.packed())
    assert code == 2
    assert "too large when it is unpacked" in said


def test_what_does_not_fit_in_memory_is_refused_before_it_is_read(recorded, run):
    out = BytesIO(recorded.whole)
    with zipfile.ZipFile(out, "a") as archive:  # its list says so
        rounds = archive.getinfo("rounds.jsonl")
        rounds.file_size = rounds.compress_size = 2**28
        archive._didModify = True
    code, said = run(out.getvalue())
    assert code == 2
    assert "rounds is twice, or too large when it is unpacked" in said


def test_it_reads_exact_json_as_the_site_does(recorded):
    plain = runpy.run_path(str(recorded.root / FILE))["plain"]
    odd = ["#", "##1", "#1", ',"#1"', ':"##', '\\"#1"', '[,"#5",]', "é\n", -0.5, 10**20]
    data = {"a": odd, "b": {"c": odd, "d": [odd, [1.5, None, True]]}, "e": odd[1]}
    assert plain(exact_json(data)) == parse_exact(exact_json(data)) == data


def test_the_commands_of_the_readme_verify_a_bundle(recorded, run, monkeypatch):
    monkeypatch.chdir(recorded.root)
    page = (recorded.root / "README.md").read_text().replace("\\\n", "")
    (options,) = re.findall(rf"python {FILE} var/CKP_1\.zip (.*)$", page, re.MULTILINE)
    code, said = run(recorded.whole, *options.split())
    assert (code, said.splitlines()[-1]) == (0, FOLLOWS)
    assert "ok        scores: 130 of 130 hold" in said
    (asked,) = re.findall(r"coordinator export-period (.*)$", page, re.MULTILINE)
    export = export_period.command.make_context("export-period", asked.split())
    assert export.params["slug"] == "btc-demo"
    assert "./coordinator verify var/CKP_1.zip\n" in page
    assert verify.command.name == "verify"


def test_what_is_not_done_is_said(recorded, run):
    code, said = run(recorded.whole)
    assert (code, said.splitlines()[-1]) == (0, FOLLOWS)
    assert "NOT DONE  keys: no --key was given" in said
    assert "NOT DONE  scores: they need --scorer with the file of the SHA-256" in said
    alone = OpenBundle(recorded.whole)
    alone["manifest"][0]["witnesses"] = []
    assert (
        "NOT DONE  witnesses: of rounds that no known one cosigned"
        in run(alone.packed())[1]
    )


def test_what_is_moved_or_asked_under_other_rules_is_left(recorded, run):
    code, said = run(recorded.changed, "--scorer", str(recorded.root / SCORER))
    assert (code, said.splitlines()[-1]) == (0, FOLLOWS)
    assert "ok        truth: 5 of 5 hold" in said  # two of three, and the tape
    for line in (
        "truth: of rounds whose rules do not take it from the tape",
        "scores: of rounds asked while other rules held",
        "ledger: what was moved, and is paid since",
        "transaction: it is SUBMITTED: not settled to its end",
    ):
        assert f"NOT DONE  {line}" in said
    assert "not settled to its end" not in run(recorded.whole)[1]


@pytest.mark.parametrize(
    ("name", "key"),
    [("traded", "score_recent of accounts"), ("by_drawdown", "max_drawdown")],
)
def test_a_ranking_by_no_mean_of_scores_is_left(recorded, run, name, key):
    code, said = run(getattr(recorded, name))
    assert (code, said.splitlines()[-1]) == (0, FOLLOWS)
    for step in ("ranking", "emission"):
        assert f"NOT DONE  {step}: ranked by {key}, shared by tiers, ties" in said


def test_a_part_is_left(recorded, run):
    code, said = run(recorded.part)
    assert code == 2
    assert "or a part: use `coordinator verify`" in said


def test_a_rotated_key_needs_the_others_to_be_given(recorded, run):
    keys = OpenBundle(recorded.rotated)["manifest"][0]["keys"]
    options = [text for key in keys for text in ("--key", key)]
    assert run(recorded.rotated, *options)[0] == run(recorded.rotated)[0] == 0
    code, said = run(recorded.rotated, "--key", keys[0])
    assert code == 1
    assert "is signed by no known key of the log" in of_step(said, "heads")


def test_an_ensembles_snapshot_is_left(recorded, run):
    """It is in the log's period, and nobody asked it or pays it."""
    bundle = OpenBundle(recorded.whole)
    row = bundle["snapshots"][0]
    own = row["content"] | {"model_id": "mean-of-all"}
    bundle["snapshots"].append(row | {"is_virtual": True, "content": own})
    relogged(bundle, facts_of(bundle), recorded.signer)
    code, said = run(bundle.packed())
    assert (code, said.splitlines()[-1]) == (0, FOLLOWS)
    assert "NOT DONE  snapshots: those of ensembles" in said


def test_each_model_of_a_round_answers_once(recorded):
    """Whatever number the log tells: the root is over one answer of each."""
    file = runpy.run_path(str(recorded.root / FILE))
    [row] = [dict(each) for each in OpenBundle(recorded.whole)["rounds"][3:4]]
    row["answers"] = [row["answers"][0], *row["answers"]]
    entry = {"round": row["round"], "index": row["index"], "answers": 4}
    entry["root"] = file["tree"](
        bytes.fromhex(each["nonce"]) + each["answer"].encode()
        for each in row["answers"]
    )
    now = datetime(2026, 3, 2, tzinfo=UTC)
    it = SimpleNamespace(of={"round": [entry]}, rounds=[row], told={"start": 0})
    it.known, it.signed, it.cosigned = [], [now] * 20, []
    file["check_rounds"](it)
    (wrong,) = filter(None, file["report"]["predictions"])
    assert "root is" in wrong


def test_another_scorer_is_not_run(recorded, run, tmp_path):
    other = tmp_path / "scoring.py"
    other.write_text("raise SystemExit('it was run')")
    code, said = run(recorded.whole, "--scorer", str(other))
    assert code == 1
    assert "is another file" in of_step(said, "scorer")


def test_texts_of_a_bundle_write_no_line_of_their_own(recorded, run):
    bundle = OpenBundle(recorded.whole)
    bundle["checkpoint"][0]["status"] = f"\x1b[2J\n{FOLLOWS}"
    code, said = run(bundle.packed())
    assert (code, "\x1b" in said) == (1, False)
    assert FOLLOWS not in said.splitlines()


def test_an_output_cannot_stop_the_verification(recorded, run):
    """A model may answer with the name of what the scorer is told beside it."""
    namespace = runpy.run_path(str(recorded.root / FILE))
    said = json.loads('{"model":"a","output":{"model_id":"b","value":0.5}}')
    found = namespace["worth"](lambda given, truth: {"id": given.model_id}, said, {})
    assert found == {"success": True, "id": "a"}


@pytest.mark.parametrize("start", range(24))
def test_heads_of_any_size_follow_from_the_trees_before(recorded, start):
    """The log may have had any number of entries when the bundle begins."""
    end = start + 7
    leaves = [leaf_hash(bytes([i])) for i in range(end)]
    before = inclusion_proof(start, start + 1, MemoryTree(leaves[: start + 1]))
    notes = []
    for size in range(start + 1, end + 1):
        text = TreeHead(ORIGIN, size, root_of(leaves[:size])).text()
        notes.append(str(Note(text, (OTHER.sign(text),))))
    told = {
        "start": start,
        "end": end,
        "before": [node.hex() for node in reversed(before)],
        "origin": ORIGIN,
    }
    file = runpy.run_path(str(recorded.root / FILE))
    heads = [{"note": note, "signed_at": "2026-03-02T12:00:00Z"} for note in notes]
    it = SimpleNamespace(told=told, leaves=b"".join(leaves[start:]), heads=heads)
    it.key = [str(OTHER.key)]
    file["check_heads"](it)
    assert {step: {*found} for step, found in file["report"].items()} == {
        "heads": {""},
        "fork": {""},
    }


def nobody_paid(**changed):
    """Return what the last steps read of a period that pays nobody."""
    meta = {"ranking": [], "unpaid": [], "ranking_direction": "desc"}
    meta |= {"min_paid_coverage": 0.5, "rounds_asked": 0}
    meta["rule"] = {"strategy": "tiers", "ties": "by_id"}
    paid = {
        "status": "PAID",
        "emission": {"crunch": "C", "cruncher_rewards": []},
        "meta": meta,
    }
    rule = {"aggregation": {"ranking_key": "day", "windows": {"day": {}}}}
    it = SimpleNamespace(paid=paid, rule=rule, ledger=[], own=set(), field="value")
    it.scored, it.told, it.tape, it.known = {}, {"feeds": []}, [], []
    meta["rule"] |= changed.pop("rule", {})
    vars(it).update(changed)
    return it


def test_a_period_that_pays_nobody_has_an_empty_ledger(recorded):
    file = runpy.run_path(str(recorded.root / FILE))
    it = nobody_paid()
    file["check_ledger"](it)
    file["check_ranking"](it)
    assert not any(map(any, file["report"].values()))
    assert [step for step, _ in file["left"]] == ["ranking"]


@pytest.mark.parametrize(
    "changed",
    [
        {"rule": {"strategy": "equal"}},
        {"rule": {"ties": "shared"}},
        {"own": {"build_emission"}},
        {"own": {"LEADERBOARD_RANKER"}},
        {"own": {"MODEL_SCORE_AGGREGATOR"}},
    ],
    ids=str,
)
def test_shares_and_ranks_of_other_kinds_are_left(recorded, changed):
    file = runpy.run_path(str(recorded.root / FILE))
    it = nobody_paid(**changed)
    file["check_ledger"](it)
    file["check_ranking"](it)
    assert [step for step, _ in file["left"]] == ["ranking", "ranking", "emission"]


@pytest.mark.parametrize(
    ("own", "due"),
    [
        ({"GROUND_TRUTH_RESOLVER"}, "2026-03-02T12:00:00Z"),
        ({"resolve_ground_truth"}, "2026-03-02T12:00:00Z"),
        (set(), None),
        (set(), "2026-03-02T11:00:00Z"),
    ],
)
def test_truths_that_are_not_between_two_prices_are_left(recorded, own, due):
    file = runpy.run_path(str(recorded.root / FILE))
    row = {"asked_at": "2026-03-02T11:00:00Z", "truth": {}}
    entry = {"resolvable_at": due, "rules": "ab"}
    known = [("round 1", row, entry)]
    file["check_truths"](nobody_paid(own=own, known=known, made={"rules": "ab"}))
    assert file["report"] == {"truth": [""]}  # of the tape
    why = "of rounds whose rules do not take it from the tape"
    assert ("truth", why) in file["left"]
