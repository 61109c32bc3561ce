"""Make a bundle's log anew, as an operator could who was dishonest from its beginning.

He signs each head, and witnesses cosign it: they see that a log only grows, and not
what its entries say.
"""

import json

from core.rounding import rounded
from core.tlog.exact import exact_digest
from core.tlog.log_checkpoint import TreeHead, parse_tree_head
from core.tlog.merkle import (
    MemoryTree,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
)
from core.tlog.note import Note, cosigned_at_s, parse_note
from core.tlog.witnessing import cosigned
from emissions.frac64 import split
from emissions.shares import tier_weights
from tests.crunchsite.bundles.recorded import WITNESS


def facts_of(bundle):
    """Return what the entries say, by index."""
    return {row["index"]: json.loads(row["entry"]) for row in bundle["entries"]}


def recounted(bundle):
    """Have snapshots and figures follow from the scores that the rounds have now."""
    scored = {}
    for row in bundle["rounds"]:
        for answer in row["answers"]:
            score = answer["score"]
            if score and score["success"]:
                told = scored.setdefault(answer["model"], [])
                told.append((row["resolved_at"], score["value"]))
    sums = {}
    for row in bundle["snapshots"]:
        content = row["content"]
        span = content["period_start"], content["period_end"]
        values = [v for at, v in scored[content["model_id"]] if span[0] <= at < span[1]]
        content["prediction_count"] = len(values)
        content["result_summary"]["value"] = rounded(sum(values) / len(values))
        sums.setdefault(content["model_id"], []).extend(values)
    for line in bundle["checkpoint"][0]["meta"]["ranking"]:
        values = sums[line["model_id"]]
        line["prediction_count"] = len(values)
        line["ranking_value"] = rounded(sum(values) / len(values))
    repaid(bundle)


def repaid(bundle):
    """Order the ranking by its figures, and pay it."""
    paid = bundle["checkpoint"][0]
    meta = paid["meta"]
    sign = 1 if meta["ranking_direction"] == "asc" else -1
    meta["ranking"].sort(key=lambda x: (sign * x["ranking_value"], x["model_id"]))
    shares = split(tier_weights(len(meta["ranking"])))
    paid["emission"]["cruncher_rewards"] = [
        {"cruncher_index": line["cruncher_index"], "reward_pct": share}
        for line, share in zip(meta["ranking"], shares, strict=True)
    ]
    for place, line in enumerate(meta["ranking"], start=1):
        line["rank"] = place
    amounts = {
        line["cruncher_index"]: share
        for line, share in zip(meta["ranking"], shares, strict=True)
    }
    for line in bundle["ledger"]:
        line["amount"] = amounts[line["cruncher_index"]]


def relogged(bundle, facts, signer):
    """Write the log that has these facts, and what the rows say now."""
    _recommitted(bundle, facts)
    manifest = bundle["manifest"][0]
    rows = bundle["entries"]
    for row in rows:
        row["entry"] = json.dumps(
            facts[row["index"]],
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
    leaves = [leaf_hash(row["entry"].encode()) for row in rows]
    assert len(leaves) == manifest["end"]  # the bundle has all entries of the log
    tree, start = MemoryTree(leaves), manifest["start"]
    for row in rows[:start]:
        path = inclusion_proof(row["index"], len(leaves), tree)
        row["path"] = [node.hex() for node in path]
    before = inclusion_proof(start, start + 1, MemoryTree(leaves[: start + 1]))
    manifest["before"] = [node.hex() for node in reversed(before)]
    bundle.files["leaves.bin"] = b"".join(leaves[start:])
    for row in bundle["heads"]:
        old = parse_note(row["note"])
        head = parse_tree_head(old.text)
        text = TreeHead(head.origin, head.size, root_of(leaves[: head.size])).text()
        row["note"] = str(Note(text, (signer.sign(text),)))
        for line in old.signatures:
            if line.is_by(WITNESS.key):
                row["note"] = cosigned(
                    parse_note(row["note"]), WITNESS, signed_at_s=cosigned_at_s(line)
                )


def _recommitted(bundle, facts):
    """Have entries commit to what the rows say."""
    rounds = {row["index"]: row for row in bundle["rounds"]}
    paid, lines = bundle["checkpoint"][0], bundle["ledger"]
    chain, previous = [], None
    for index, fact in sorted(facts.items()):
        if index in rounds:
            answers = rounds[index]["answers"]
            fact["answers"] = len(answers)
            fact["root"] = root_of(
                leaf_hash(bytes.fromhex(x["nonce"]) + x["answer"].encode())
                for x in answers
            ).hex()
        elif fact["kind"] == "period":
            own = [
                exact_digest(row["content"])
                for row in bundle["snapshots"]
                if row["period_start"] == fact["period_start"]
            ]
            root = root_of([leaf_hash(bytes.fromhex(x)) for x in sorted(own)])
            chained = node_hash(previous, root) if previous else root
            fact["previous"] = previous and previous.hex()
            fact["root"], fact["chained_root"] = root.hex(), chained.hex()
            chain.append(leaf_hash(chained))
            previous = chained
        elif fact["kind"] == "checkpoint":
            paid["merkle_root"] = fact["root"] = root_of(chain).hex()
            fact["meta"] = exact_digest(paid["meta"])
            fact["emission"] = exact_digest(paid["emission"])
        if fact["kind"] in ("checkpoint", "settlement"):
            is_paid = fact.get("status") == "PAID"
            told = [x for x in lines if is_paid or x["kind"] != "PAID"]
            fact["ledger"] = exact_digest(told)
