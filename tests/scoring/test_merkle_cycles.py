"""A snapshot leads to its cycle, its checkpoint and a signed head; all verify."""

import hashlib
import json
from datetime import timedelta

import pytest

from core.clock import iso_z
from core.tlog.exact import exact_json
from core.tlog.log_proof import parse_log_proof, verify_log_proof
from core.tlog.merkle import leaf_hash, node_hash, root_of
from emissions.checkpoints import close_due
from emissions.models import Checkpoint
from proofs import sealing
from proofs.models import LogLeaf
from scoring.corrections import rescore
from scoring.cycle import run_cycle
from scoring.models import Snapshot
from tests.conftest import NOW
from tests.proofs.conftest import ORIGIN
from tests.proofs.conftest import keyless as keyless  # noqa: PLC0414  a fixture
from tests.proofs.conftest import log_key as log_key  # noqa: PLC0414  a fixture
from tests.scoring.factories import make_models, make_round, put_candles

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def cycles(competition, at):
    """Three hours, closed one by one, and paid as two periods of two hours."""
    competition.emission_interval_s = 7200
    competition.activated_at = NOW - 2 * HOUR
    competition.save()
    put_candles(NOW - 2 * HOUR, [100.0 + i * i % 7 for i in range(260)])
    models = make_models(competition, *"abc")
    for hour in (-2, -1, 0):
        start = NOW + hour * HOUR
        make_round(competition, start, {m: float(i) for i, m in enumerate(models)})
        with at(start + 2 * MINUTE):
            run_cycle(competition_id=competition.pk)
        with at(start + HOUR + MINUTE):
            run_cycle(competition_id=competition.pk)
    with at(NOW + 61 * MINUTE):
        close_due(now=NOW + 61 * MINUTE)
        yield competition


def climb(node, path):
    for step in path:
        other = bytes.fromhex(step["hash"])
        is_left = step["position"] == "left"
        node = node_hash(other, node) if is_left else node_hash(node, other)
    return node


def test_cycles_are_chained_in_order(client, cycles):
    rows = client.get("/reports/merkle/cycles").json()
    assert [row["period_start"] for row in rows] == [
        iso_z(NOW - 2 * HOUR), iso_z(NOW - HOUR), iso_z(NOW)
    ]  # fmt: skip
    assert [row["snapshot_count"] for row in rows] == [3, 3, 3]
    chained = None
    for before, row in zip([None, *rows], rows, strict=False):
        assert row["previous_cycle_id"] == (before and before["id"])
        assert row["previous_cycle_root"] == chained
        root = bytes.fromhex(row["snapshots_root"])
        if chained:
            root = node_hash(bytes.fromhex(chained), root)
        chained = root.hex()
        assert row["chained_root"] == chained
        assert client.get(f"/reports/merkle/cycles/{row['id']}").json() == row
    assert client.get("/reports/merkle/cycles", {"limit": 1}).json() == rows[:1]
    since = client.get("/reports/merkle/cycles", {"since": rows[1]["created_at"]})
    assert since.json() == rows[1:]
    for odd in ("CYC_0", "x", "CYC_" + 30 * "9"):
        answer = client.get(f"/reports/merkle/cycles/{odd}")
        assert (answer.status_code, answer.json()["code"]) == (404, "cycle_not_found")


def test_every_closed_snapshot_leads_to_cycle_checkpoint_and_head(
    client, cycles, log_key
):
    sealing.seal()
    (made,) = Checkpoint.objects.all()
    paid = 0
    for snapshot in Snapshot.objects.select_related("model"):
        row = client.get(
            "/reports/merkle/proof", {"snapshot_id": f"SNAP_{snapshot.pk}"}
        ).json()
        start = leaf_hash(bytes.fromhex(row["snapshot_content_hash"]))
        assert climb(start, row["path"]).hex() == row["cycle_root"]
        proof = parse_log_proof(row["proof"])
        extra = json.loads(proof.extra)
        verify_log_proof(proof, extra["entry"].encode(), origin=ORIGIN, keys=[log_key])
        assert json.loads(extra["entry"])["chained_root"] == row["cycle_root"]
        if snapshot.period_end > made.period_end:
            assert (row["checkpoint_id"], row["merkle_root"]) == (None, None)
            continue
        paid += 1
        assert row["checkpoint_id"] == str(made)
        cycle = leaf_hash(bytes.fromhex(row["cycle_root"]))
        assert climb(cycle, row["checkpoint_path"]).hex() == row["merkle_root"]
        assert row["merkle_root"] == made.merkle_root
    assert paid == 6


def test_the_checkpoints_entry_binds_its_emission_and_ranking(cycles):
    entry = json.loads(LogLeaf.objects.get(kind="checkpoint").text)
    (made,) = Checkpoint.objects.all()
    assert (entry["checkpoint"], entry["periods"]) == (str(made), 2)
    assert entry["root"] == made.merkle_root
    for name, value in (("emission", made.entries[0]), ("meta", made.meta)):
        assert entry[name] == hashlib.sha256(exact_json(value).encode()).hexdigest()


def test_the_content_hash_follows_from_what_the_api_shows(client, cycles):
    (first, *_) = client.get("/reports/snapshots").json()
    snapshot = Snapshot.objects.get(pk=first["id"].removeprefix("SNAP_"))
    content = {
        name: first[name]
        for name in ("model_id", "period_start", "period_end", "prediction_count")
    } | {"result_summary": first["result_summary"]}
    assert (
        snapshot.content_hash
        == hashlib.sha256(exact_json(content).encode()).hexdigest()
    )


def test_a_correction_adds_a_cycle_of_its_revision(client, cycles):
    rescore(
        competition_id=cycles.pk, start=NOW - 2 * HOUR, end=NOW - HOUR,
        reason="the scorer was wrong", author="olga",
    )  # fmt: skip
    rows = client.get("/reports/merkle/cycles").json()
    assert [row["revision"] for row in rows] == [0, 0, 0, 1]
    assert rows[3]["period_start"] == rows[0]["period_start"]
    current = Snapshot.objects.current().filter(revision=1).first()
    row = client.get("/reports/merkle/proof", {"snapshot_id": current.pk}).json()
    assert (row["cycle_id"], row["proof"]) == (rows[3]["id"], None)


def test_what_has_no_proof_is_refused_with_why(client, cycles, at):
    (model, *_) = cycles.models.order_by("pk")
    with at(NOW + 70 * MINUTE):
        make_round(cycles, NOW + 65 * MINUTE, {model: 1.0})
        run_cycle(competition_id=cycles.pk)
    open_one = Snapshot.objects.get(is_closed=False)
    closed = Snapshot.objects.filter(is_closed=True).first()
    Snapshot.objects.filter(pk=closed.pk).update(content_hash="0" * 64)
    for pk, status, code, told in (
        (open_one.pk, 409, "log_proof", "in no cycle"),
        (closed.pk, 409, "log_proof", "differs"),
        (0, 404, "snapshot_not_found", "none with that id"),
        ("x", 422, "invalid", ""),
    ):
        answer = client.get("/reports/merkle/proof", {"snapshot_id": pk})
        assert answer.status_code == status
        assert told in answer.content.decode()
        assert code in answer.content.decode()
    assert client.get("/reports/merkle/proof").status_code == 422


def test_the_root_of_a_cycle_is_over_ascending_hashes(cycles):
    leaf = LogLeaf.objects.filter(kind="period").first()
    hashes = Snapshot.objects.filter(period_start=NOW).values_list(
        "content_hash", flat=True
    )
    expected = [leaf_hash(bytes.fromhex(text)) for text in sorted(hashes)]
    assert root_of(expected) == root_of(leaf.hashes)
