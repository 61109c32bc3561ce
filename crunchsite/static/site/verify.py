"""Verify a bundle: python verify.py BUNDLE.zip [--key VKEY]... [--scorer FILE]

Needs Python 3.11 and the package `cryptography`. Each step says whether what is told
follows, and at the end what was NOT DONE: `coordinator verify` does more. `--key` pins
a public key of the log or a witness. `--scorer` RUNS the file that the rules have.
Exit code 0: all that was done follows; 1: something does not; 2: it cannot be read.
"""

import argparse
import base64
import hashlib
import json
import math
import re
import runpy
import zipfile
from bisect import bisect
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WHOLE, TIERS = 10**9, [35, 10, 10, 10, 10, 5, 5, 5, 5, 5]  # percent of the first places
ROWS = ("manifest", "heads", "entries", "tape", "rounds")
ROWS += ("snapshots", "checkpoint", "ledger")
FEED = ("source", "subject", "kind", "granularity")
unhex, instant = bytes.fromhex, datetime.fromisoformat
report, left = defaultdict(list), {}  # by step: what is wrong, or ""; what is NOT DONE


def check(step, holds, wrong):
    """Keep whether something holds, or what is wrong."""
    report[step].append("" if holds else wrong)


def match(step, name, told, right):
    """Check what is told, field by field, against what it follows from."""
    for key, value in right.items():
        had = told.get(key)
        is_near = {type(had), type(value)} <= {int, float} and math.isclose(had, value)
        wrong = f"{name}: {key} is {had}, but {value} follows"
        check(step, is_near or had == value, wrong)


def leave(step, applies, why):
    """Keep what is not done, if it applies; return whether it does."""
    left.update({(step, why): True} if applies else {})
    return bool(applies)


def sha(*parts):
    """Return the SHA-256; RFC 6962 puts 0 before a leaf, and 1 before two nodes."""
    return hashlib.sha256(b"".join(parts)).digest()


def root(nodes, start, end):
    """Return the root over the leaves from `start` to `end`, by the nodes known."""
    if (start, end) not in nodes and end - start > 1:
        half = start + (1 << (end - start - 1).bit_length() - 1)
        nodes[start, end] = sha(b"\1", root(nodes, start, half), root(nodes, half, end))
    return nodes.get((start, end), sha())


def tree(entries):
    """Return the root over entries, in hex."""
    nodes = {(i, i + 1): sha(b"\0", entry) for i, entry in enumerate(entries)}
    return root(nodes, 0, len(nodes)).hex()


def signed(note, vkey):
    """Yield when a key signed a head (C2SP) by a witness; None for a log's key."""
    kind, *public = base64.b64decode(vkey.split("+", 2)[2])
    text, _, lines = note.rpartition("\n\n")
    for line in lines.splitlines():
        raw = base64.b64decode(line.split(" ")[2])
        time = int.from_bytes(raw[4:12], "big") if kind == 4 else None
        told = f"cosignature/v1\ntime {time}\n{text}\n" if kind == 4 else f"{text}\n"
        with suppress(InvalidSignature):
            key = Ed25519PublicKey.from_public_bytes(bytes(public))
            key.verify(raw[-64:], told.encode())
            yield time


def plain(text):
    """Return exact JSON as data: "#0.5" is a number, and "##" begins a text with #."""
    numbers = re.sub(r'(?<=[:,\[])"#(-?[\d.]+)"(?=[,\]}])', r"\1", text)
    return json.loads(re.sub(r'(?<=[:,\[])"##', '"#', numbers))


def digest(data):
    """Return the SHA-256 of exact JSON as it was read."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha(text.encode()).hex()


def mean(pairs):
    """Return the mean of values with their weights, of those that are known."""
    known = [(value, weight) for value, weight in pairs if value is not None]
    total = sum(weight for _, weight in known)
    return math.fsum(v * weight for v, weight in known) / total if total else None


def read(it):
    """Read the rows of a bundle's files as data, and keep them `raw` as they are."""
    room = 2**28  # all of it is held in memory, some times over
    with zipfile.ZipFile(it.bundle) as archive:
        for file in archive.infolist():
            most, room = 2**16 + 100 * file.compress_size, room - file.file_size
            name = file.filename.partition(".")[0]
            if file.file_size > most or room < 0 or name in it.raw:
                raise ValueError(f"{name} is twice, or too large when it is unpacked")
            if name in ROWS:
                lines = [x for x in archive.read(file).decode().split("\n") if x]
                it.raw[name] = [json.loads(line) for line in lines]
                setattr(it, name, [plain(line) for line in lines])
        it.leaves = archive.read("leaves.bin")
    [it.told], [it.paid] = it.manifest, it.checkpoint
    if (it.told["version"], it.told["of"]) != (1, None):
        raise ValueError("of another version, or a part: use `coordinator verify`")
    period = "{checkpoint} of {competition}, {period_start} to {period_end}"
    it.period = [period.format_map(it.told)]


def check_heads(it):
    """Signed heads are beginnings of one log; keep its nodes, and when they were."""
    start, end, at, nodes = it.told["start"], it.told["end"], 0, {}
    for node in it.told["before"]:  # perfect trees of the leaves before `start`
        size = 1 << (start - at).bit_length() - 1
        nodes[at, at + size], at = unhex(node), at + size
    if (at, len(it.leaves)) != (start, 32 * (end - start)):
        raise ValueError("its hashes do not reach from `start` to `end`")
    for i in range(end - start):
        nodes[start + i, start + i + 1] = it.leaves[32 * i : 32 * i + 32]
    leave("keys", not it.key, "no --key was given: they are those the bundle names")
    leave("keys", True, "that the log names them; after a rotation, give each of them")
    keys = it.key or it.told["keys"] + [each["vkey"] for each in it.told["witnesses"]]
    it.nodes, it.signed, it.cosigned = nodes, [], []  # when, by index after `start`
    for head in it.heads:
        origin, size, top = head["note"].split("\n")[:3]
        name, size = f"the head of {size} entries", int(size)
        if not start < size <= end:
            raise ValueError(f"{name} is not within the log's hashes")
        times = [time for key in keys for time in signed(head["note"], key)]
        is_own = origin == it.told["origin"] and None in times
        check("heads", is_own, f"{name} is signed by no known key of the log")
        is_one = base64.b64decode(top) == root(nodes, 0, size)
        check("fork", is_one, f"{name} is of another history than the log's hashes")
        it.signed += [instant(head["signed_at"])] * (size - start - len(it.signed))
        for time in filter(None, times):
            at = datetime.fromtimestamp(time, UTC)
            it.cosigned += [at] * (size - start - len(it.cosigned))
    check("heads", len(it.signed) == end - start, f"no head covers all {end} entries")


def check_entries(it):
    """Entries stand in the log (rules are known by digest); keep them by kind."""
    for row, last in zip(it.entries, [{"index": -1}, *it.entries], strict=False):
        index, entry = row["index"], json.loads(row["entry"])
        is_there = sha(b"\0", row["entry"].encode()) == it.nodes.get((index, index + 1))
        is_own = entry.get("competition") in (None, it.told["competition"])
        wrong = f"entry {index} is not what the log has at this place, or another's"
        is_free = entry["kind"] in ("key", "rules") and index < it.told["start"]
        is_right = is_there and is_own and index > last["index"]
        check("entries", is_free or is_right, wrong)
        it.of[entry["kind"]].append(entry | {"index": index})
    [it.made] = it.of["checkpoint"]
    rules = {sha(x["rules"].encode()).hex(): plain(x["rules"]) for x in it.of["rules"]}
    check("rules", it.made["rules"] in rules, "those of the checkpoint are not here")
    it.rule = rules[it.made["rules"]]
    it.field = it.rule["aggregation"]["value_field"]
    used, default = it.rule["callables"], "competitions.defaults:"
    it.own = {name for name in used if not used[name]["path"].startswith(default)}


def check_rounds(it):
    """Answers, failed ones too, are the log's, and older than their truth."""
    logged = {entry["round"]: entry for entry in it.of["round"]}
    for row in it.rounds:
        name, entry = f"round {row['round']}", logged.pop(row["round"], None)
        check("predictions", entry, f"{name} is not in the log, or is there twice")
        if not entry:
            continue
        said = [x for x in row["answers"] if "answer" in x]
        said = {json.loads(x["answer"])["model"]: x for x in said}  # one of each
        top = tree(unhex(x["nonce"]) + x["answer"].encode() for x in said.values())
        told = row | {"answers": len(said), "root": top}
        right = {key: entry[key] for key in told.keys() & entry.keys() if entry[key]}
        match("predictions", f"the answers of {name}, by the log", told, right)
        due, index = instant(row["resolvable_at"]), entry["index"] - it.told["start"]
        is_older = it.signed[index] <= due or row["asked_at"] == row["resolvable_at"]
        wrong = f"{name}: no head with it was signed before its truth could be known"
        check("order", is_older, wrong)
        is_seen = any(at <= due for at in it.cosigned[index : index + 1])
        if not leave("witnesses", not is_seen, "of rounds that no known one cosigned"):
            check("witnesses", True, "")
        it.known.append((name, row, entry))
    check("predictions", len(it.known) == len(it.of["round"]), f"not here: {[*logged]}")


def check_truths(it):
    """Truths are the moves between the last prices by both ends of their rounds."""
    leave("truth", True, "whose records are; whose, if entries do not say; when stored")
    closed, prices = defaultdict(list), defaultdict(lambda: [None])
    for row in it.tape:
        feed = tuple(it.told["feeds"][row["feed"]][key] for key in FEED)
        closed[feed].append(instant(row["closed_at"]))
        prices[feed].append(row.get("price"))
    check("truth", all(x == sorted({*x}) for x in closed.values()), "tape out of order")
    own = it.own & {"GROUND_TRUTH_RESOLVER", "resolve_ground_truth"}
    for name, row, entry in it.known:
        is_odd = own or entry["resolvable_at"] in (None, row["asked_at"])
        is_odd = is_odd or entry["rules"] != it.made["rules"]
        if leave("truth", is_odd, "of rounds whose rules do not take it from the tape"):
            continue
        subject, ends = row["provenance"].get("subject"), ("asked_at", "resolvable_at")
        right = {"subject": entry.get("subject") or subject}
        match("truth", name, row["provenance"], right)
        feed = tuple(it.rule.get(f"feed_{key}", subject) for key in FEED)
        paid, got = (prices[feed][bisect(closed[feed], instant(row[x]))] for x in ends)
        right = {}
        if paid and got is not None:
            right = {"actual_return": (got - paid) / paid, "direction_up": got > paid}
            right |= {"entry_price": paid, "resolved_price": got}
        wrong = f"{name}: {row['truth']} does not follow from the candles: {right}"
        check("truth", right and row["truth"] == right, wrong)


def check_scores(it):
    """Scores, with all that the scorer says, are what the answers are worth."""
    used, field, file, score = it.rule["callables"], it.field, it.scorer, None
    named, it.scored = used["SCORING_FUNCTION"], defaultdict(list)
    wanted = f"they need --scorer with the file of the SHA-256 {named['source']}"
    if not leave("scores", not file or "batch_scoring_function" in used, wanted):
        is_named = sha(Path(file).read_bytes()).hex() == named["source"]
        check("scorer", is_named, f"{file} is another file: {wanted}")
        path = used.get("scoring_function", named)["path"]
        score = is_named and runpy.run_path(file)[path.partition(":")[2]]
    leave("scores", True, "why there is none; fields that its scorer does not give")
    for name, row, entry in it.known:
        is_alike = entry["rules"] == it.made["rules"]
        leave("scores", not is_alike, "of rounds asked while other rules held")
        for each in row["answers"]:
            said, x = plain(each["answer"]), each["score"] or {"result": {}}
            told = x["result"] | {"success": x.get("success"), field: x.get("value")}
            value = told[field] if told["success"] else None
            it.scored[said["model"]].append((instant(row["resolved_at"]), value))
            right = {"success": None}
            if said["outcome"] == "ANSWERED":
                right = worth(score if is_alike else None, said, row["truth"])
            right = {key: right[key] for key in right.keys() & told.keys()}
            match("scores", f"{name}: the score of {said['model']}", told, right)


def worth(score, said, truth):
    """Return all that the scorer says of an answer; what it raises is no score."""
    given = SimpleNamespace(**said["output"] | {"model_id": said["model"]})
    truth = SimpleNamespace(**{"actual_return": truth.get("return")} | truth)
    with suppress(Exception):
        return {"success": True} | score(given, truth) if score else {}
    return {"success": False}


def check_snapshots(it):
    """Snapshots count and average the scores, and make the periods of the log."""
    roots = {entry["period_start"]: entry["root"] for entry in it.of["period"]}
    leave("periods", True, "whether some are missing, or of another time")
    trees, it.means, used = defaultdict(list), defaultdict(list), Counter()
    is_sum = it.rule.get("trades") or "aggregate_snapshot" in it.own
    for row, raw in zip(it.snapshots, it.raw["snapshots"], strict=True):
        trees[row["period_start"]].append(unhex(digest(raw["content"])))
        told = row["content"] | row["content"]["result_summary"]
        since, until = instant(told["period_start"]), instant(told["period_end"])
        model, scored = told["model_id"], it.scored.get(told["model_id"], ())
        own = [(at, value) for at, value in scored if since <= at < until]
        used.update((model, at) for at, _ in own)
        count = sum(value is not None for _, value in own)
        right = {"prediction_count": count, it.field: mean((v, 1) for _, v in own)}
        if leave("snapshots", is_sum, "figures that are no means of scores"):
            del right[it.field]
        if not leave("snapshots", row["is_virtual"] and not own, "those of ensembles"):
            match("snapshots", f"of {model} from {since}", told, right)
            it.means[model].append((told.get(it.field), count))
    every = Counter((model, at) for model in it.scored for at, _ in it.scored[model])
    check("snapshots", every == used, "scores are in no snapshot, or in two of them")
    right = {start: tree(sorted(trees[start])) for start in roots.keys() | trees}
    match("periods", "the snapshots, by the log", roots, right)


def check_committed(it):
    """The checkpoint, its ledger and its transaction are those of the log."""
    chain = []
    for entry in it.of["period"]:
        parts = [b"\1", unhex(entry["previous"] or ""), unhex(entry["root"])]
        chain.append(sha(*parts) if entry["previous"] else parts[2])
    told = it.told | it.paid | {"ledger": digest(it.raw["ledger"]), "root": tree(chain)}
    told |= {key: digest(it.raw["checkpoint"][0][key]) for key in ("meta", "emission")}
    logged = {"status": "PENDING", "tx_hash": None, "submitted_at": None} | it.made
    for entry in it.of["settlement"]:
        logged |= entry
    named = {"root": "periods", "meta": "ranking"}  # the steps that are not the last
    named |= {"emission": "emission", "ledger": "ledger"}
    for key in sorted(told.keys() & logged.keys()):
        match(named.get(key, "transaction"), "by the log", told, {key: logged[key]})
    leave("ledger", "ledger" not in logged, "the log is older than its entries of it")
    status = it.paid["status"]
    leave("transaction", status != "PAID", f"it is {status}: not settled to its end")
    leave("transaction", True, "a later settlement would not be in the bundle")


def check_ranking(it):
    """Figures are means of scores, and order the models; tiers give them shares."""
    meta, how = it.paid["meta"], it.rule["aggregation"]
    said, rules = meta | it.paid["emission"], it.rule | how
    rules["crunch"] = rules.get("crunch_pubkey") or said["crunch"]
    right = {key: x for key, x in rules.items() if key in said}
    match("ranking", "the rules of the checkpoint", said, right)
    leave("ranking", True, "whose indices and keys are; what is due; near ties; unpaid")
    figure = how["ranking_key"] + " of accounts" * bool(it.rule.get("trades"))
    is_mean, rule = figure in (it.field, *how["windows"]), meta["rule"]
    strategy = f"{rule['strategy']}, ties {rule['ties']}"
    own = it.own & {"MODEL_SCORE_AGGREGATOR", "LEADERBOARD_RANKER", "build_emission"}
    is_odd = own or not is_mean or strategy != "tiers, ties by_id"
    kind = f"ranked by {figure}, shared by {strategy}, own code {sorted(own)}"
    if leave("ranking", is_odd, kind) and leave("emission", True, kind):
        return
    every = meta["ranking"] + meta["unpaid"]
    lines = {line["model_id"]: line for line in every}
    check("ranking", len(lines) == len(every), "a model is there twice")
    for model in sorted(it.scored.keys() | lines.keys()):
        check("ranking", model in lines, f"{model} was asked, and was dropped")
        right = {"ranking_value": mean(it.means[model])}
        right["prediction_count"] = sum(v is not None for _, v in it.scored[model])
        match("ranking", model, lines.get(model, {}), right)
    sign = 1 if meta["ranking_direction"] == "asc" else -1
    order = sorted((sign * x["ranking_value"], x["model_id"]) for x in meta["ranking"])
    due, shares = Counter(), tier_shares(len(order))
    least = meta["min_paid_coverage"] * meta["rounds_asked"] - 1e-9  # of decimals
    for i, line in enumerate(meta["ranking"], start=1):
        match("ranking", f"place {i}", line, {"rank": i, "model_id": order[i - 1][1]})
        due[line["cruncher_index"]] += shares[i - 1]
        check("ranking", line["prediction_count"] >= least, f"{i}: too few rounds")
    check("emission", due == it.rewards, f"the tiers give {due}, not {it.rewards}")


def check_ledger(it):
    """What is due is the emission, and what was paid was due."""
    it.rewards, sums = Counter(), defaultdict(Counter, DUE=Counter(), PAID=Counter())
    for each in it.paid["emission"]["cruncher_rewards"]:
        it.rewards[each["cruncher_index"]] += each["reward_pct"]
    for line in it.ledger:
        sums[line["kind"]][line["cruncher_index"]] += line["amount"]
    is_paid = it.paid["status"] == "PAID"
    right = {"DUE": it.rewards, "PAID": it.rewards if is_paid else Counter()}
    if not leave("ledger", "ADJUSTMENT" in sums, "what was moved, and is paid since"):
        check("ledger", sums == right, f"it has {sums}, but {right} follows")


def tier_shares(count):
    """Return the billionths of places 1 to `count`, by largest remainder."""
    tiers = (TIERS + [0] * count)[:count]
    parts = [divmod((x * count + 100 - sum(tiers)) * WHOLE, 100 * count) for x in tiers]
    by_rest = sorted(range(count), key=lambda i: -parts[i][1])
    one_more = by_rest[: WHOLE - sum(part for part, _ in parts)]
    return [part + (i in one_more) for i, (part, _) in enumerate(parts)]


def main():
    """Check a bundle from the log to the ledger, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle")
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("--scorer")
    it, lines, problem = parser.parse_args(), [], ""
    it.raw, it.of, it.known, it.period = {}, defaultdict(list), [], []
    steps = (read, check_heads, check_entries, check_rounds, check_truths, check_scores)
    more = (check_snapshots, check_committed, check_ledger, check_ranking)
    try:
        for step in steps + more:
            step(it)
    except Exception as error:  # noqa: BLE001  whatever is wrong with a bundle
        problem = f"This cannot be verified to its end: {error!r:.300}"
    for step, found in report.items():
        wrong = [text for text in found if text]
        held = f"{len(found) - len(wrong)} of {len(found)} hold"
        lines.append(f"{'FAILED' if wrong else 'ok':9} {step}: {held}")
        lines += [f"          - {text}" for text in wrong[:5]]
    failed = ", ".join(step for step, found in report.items() if any(found))
    lines += [f"NOT DONE  {step}: {why}" for step, why in left]
    end = f"Does NOT follow: {failed}." if failed else "All that was done follows."
    for line in [*it.period, *lines, problem or end]:
        print("".join(c if c.isprintable() else "?" for c in line))
    raise SystemExit(1 if failed else 2 if problem else 0)


if __name__ == "__main__":
    main()
