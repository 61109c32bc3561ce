"""Verify a bundle: python verify.py BUNDLE.zip [--key VKEY]... [--scorer FILE]

Python 3.11 and the package `cryptography` suffice. Each step says whether what it read
follows from the step before, and what was not done. Exit code 0: all that was done follows;
1: something does not; 2: this is no bundle. `--key` pins public keys of the log and of
witnesses. `--scorer` RUNS a file, if it has the SHA-256 that the rules in the log name.
"""

import argparse, base64, bisect, hashlib, json, math, runpy, sys, zipfile  # noqa: E401
from collections import Counter, defaultdict
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import partial
from types import SimpleNamespace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WHOLE, TIERS, LARGEST = 10**9, [35, 10, 10, 10, 10, 5, 5, 5, 5, 5], 2**30
AMOUNTS = {"net_pnl", "realized_pnl", "fees", "carry", "traded", "trades", "wins"}  # of a trading account
LEVELS = {"unrealized_pnl", "exposure", "equity", "open_positions"}
IN_PARTS = ("max_drawdown", "sortino_ratio", "ic_sharpe", "turnover")  # of all rounds, no sum of periods
FEED = ("source", "subject", "kind", "granularity")
MAKERS = ("GROUND_TRUTH_RESOLVER", "resolve_ground_truth", "SCORING_FUNCTION", "scoring_function", "batch_scoring_function")
report = defaultdict(lambda: SimpleNamespace(count=0, wrong=[], left={}))  # by step

sha = lambda data: hashlib.sha256(data).digest()
leaf = lambda data: sha(b"\0" + data)  # RFC 6962
node = lambda left, right: sha(b"\1" + left + right)
say = lambda line: print("".join(c if c.isprintable() else "?" for c in line))
near = lambda a, b: a == b or {type(a), type(b)} <= {int, float} and math.isclose(a, b, rel_tol=1e-9)
mean = lambda pairs: math.fsum(v * n for v, n in pairs) / t if (t := sum(n for _, n in pairs)) else None


def seconds(text):
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"the instant {text!r} has no time zone")
    return instant.timestamp()


def check(step, holds, text):
    report[step].count += 1
    if not holds:
        report[step].wrong.append(text)


def leave(step, text):
    report[step].left[text] = True


def digest(data):
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha(text.encode()).hex()


def plain(x):
    """Return exact JSON as data: "#0.5" is a number, and "##" begins a text with #."""
    if isinstance(x, (dict, list)):
        return {k: plain(v) for k, v in x.items()} if isinstance(x, dict) else [*map(plain, x)]
    if not isinstance(x, str) or x[:1] != "#":
        return x
    return x[1:] if x[1:2] == "#" else float(x[1:]) if "." in x else int(x[1:])


def grow(nodes, size, entry):
    """Add a leaf to a tree of `size` leaves, given as its perfect subtrees."""
    nodes.append(entry)
    while size % 2:
        right, left, size = nodes.pop(), nodes.pop(), size // 2
        nodes.append(node(left, right))


def root_of(nodes):
    found, *rest = nodes[::-1] or [sha(b"")]
    for left in rest:
        found = node(left, found)
    return found


def climb(index, last, found, path):
    """Return the root to which an audit path leads from a leaf."""
    for other in path:
        is_left = index % 2 or index == last
        found = node(other, found) if is_left else node(found, other)
        while is_left and index and index % 2 == 0:
            index, last = index // 2, last // 2
        index, last = index // 2, last // 2
    return found


def tree(leaves):
    nodes = []
    for size, entry in enumerate(leaves):
        grow(nodes, size, entry)
    return root_of(nodes).hex()


def signers(note, keys):
    """Return the keys that signed a note (C2SP), and when: 0 where no time is told."""
    text, found = note.rpartition("\n\n")[0] + "\n", {}
    for line in note.rpartition("\n\n")[2].splitlines():
        name, blob = line[2:].split(" ")
        raw = base64.b64decode(blob)
        for key in keys:
            if key.split("+")[:2] != [name, raw[:4].hex()]:
                continue
            kind, *public = base64.b64decode(key.split("+", 2)[2])
            time = int.from_bytes(raw[4:12], "big") if kind == 4 else 0
            told = f"cosignature/v1\ntime {time}\n{text}" if kind == 4 else text
            try:
                signer = Ed25519PublicKey.from_public_bytes(bytes(public))
                signer.verify(raw[-64:], told.encode())
                found[key] = time
            except InvalidSignature:
                check("heads", False, f"the head of {text.split()[1]} entries: {name} did not sign it")
    return found


def check_log(rows, told, hashes, pinned):
    """Signed heads are beginnings of one log; entries stand at their places in it."""
    witness = lambda key: base64.b64decode(key.split("+", 2)[2])[0] == 4
    own = [k for k in pinned if not witness(k)] or told["keys"]
    keys = own + ([*filter(witness, pinned)] or [each["vkey"] for each in told["witnesses"]])
    if not any(not witness(k) for k in pinned):
        leave("keys", "no --key of the log was given: the keys are those that the bundle names")
    if told["witnesses"] and not any(map(witness, pinned)):
        leave("witnesses", "no --key of a witness was given: they are those that the bundle names")
    roots, signed_at, cosigned = defaultdict(list), {}, {}
    for head in map(plain, rows("heads.jsonl")):
        origin, size, root = head["note"].splitlines()[:3]
        found = signers(head["note"], keys)
        is_own = origin == told["origin"] and 0 in found.values()
        check("heads", is_own, f"the head of {size} entries is signed by no key of the log")
        roots[int(size)].append(base64.b64decode(root))
        if is_own:
            signed_at[int(size)] = seconds(head["signed_at"])
            cosigned |= {int(size): min(t) for t in [[*filter(None, found.values())]] if t}
    nodes, start = [*map(bytes.fromhex, told["before"])], told["start"]
    for size, entry in enumerate(hashes, start):
        grow(nodes, size, entry)
        for root in roots.pop(size + 1, ()):
            check("fork", root == root_of(nodes), f"the signed head of {size + 1} entries is of another history than the log's hashes")
    check("heads", told["end"] in signed_at, f"no signed head covers all {told['end']} entries")
    check("fork", not roots and start + len(hashes) == told["end"], f"heads of {[*roots]} entries are not within the log's hashes")
    entries, of_kind = {}, defaultdict(list)
    for row in map(plain, rows("entries.jsonl")):
        check("entries", row["index"] > next(reversed(entries), -1), f"entry {row['index']} does not come in its order")
        index, entries[row["index"]] = row["index"], json.loads(row["entry"])
        of_kind[entries[index]["kind"]].append(entries[index])
        entry, path = leaf(row["entry"].encode()), map(bytes.fromhex, row.get("path", ()))
        holds = hashes[index - start] == entry if index >= start else climb(index, told["end"] - 1, entry, path) == root_of(nodes)
        check("entries", holds, f"entry {index} is not what the log has at this place")
    for key in own:
        check("keys", key in [entry["vkey"] for entry in of_kind["key"]], f"the log does not name {key}")
    return entries, of_kind, sorted(signed_at.items()), cosigned


def rules_of(of_kind):
    """Return the rules by their digests, those alone that have them."""
    return {e["digest"]: plain(json.loads(e["rules"])) for e in of_kind["rules"] if sha(e["rules"].encode()).hex() == e["digest"]}


def check_rounds(rows, told, log, rule, score):
    """Answers are the log's, older than their truth; truths are the tape's; so are scores."""
    entries, _, signed_at, cosigned = log
    is_tape = "resolve_ground_truth" not in rule["callables"] and rule["callables"]["GROUND_TRUTH_RESOLVER"]["path"].startswith("competitions.defaults:")
    tape = {tuple(feed[k] for k in FEED): ([], []) for feed in told["feeds"]}
    for row in map(plain, rows("tape.jsonl")):
        closed, prices = [*tape.values()][row["feed"]]
        closed.append(seconds(row["closed_at"]))
        prices.append(row.get("price"))
    rules, scored, late, count, seen = rules_of(log[1]), defaultdict(list), 0, 0, set()
    leave("truth", "that records are those of their source, and when truths were stored, is the site's word")
    for count, row in enumerate(map(plain, rows("rounds.jsonl")), 1):
        name, entry = f"round {row['round']}", entries.get(row["index"], {})
        if entry.get("round") != row["round"]:
            check("predictions", False, f"{name} has no entry in the log")
            continue
        is_open = told["of"] is not None or not any("hash" in answer for answer in row["answers"])
        check("predictions", is_open, f"{name} has answers that are not shown, and the bundle is no part")
        is_once = row["round"] not in seen and row["scope_key"] == entry["scope_key"]
        check("predictions", is_once, f"{name} is there twice, or of another scope than the log's")
        seen.add(row["round"])
        answers = [bytes.fromhex(a["hash"]) if "hash" in a else leaf(bytes.fromhex(a["nonce"]) + a["answer"].encode()) for a in row["answers"]]
        check("predictions", len(answers) == entry["answers"], f"{name}: {len(answers)} answers are here, {entry['answers']} in the log")
        check("predictions", tree(answers) == entry["root"], f"{name}: its answers are not those of the log")
        due = entry["resolvable_at"] or row["resolvable_at"]
        check("predictions", (row["asked_at"], row["resolvable_at"]) == (entry["asked_at"], due), f"{name}: its instants are not the log's")
        ends = [seconds(row["asked_at"]), seconds(due)]
        first = next((at for size, at in signed_at if size > row["index"]), math.inf)
        if ends[0] < ends[1]:
            check("order", first <= ends[1], f"{name}: no head that covers it was signed before its truth could be known")
        late += not any(size > row["index"] and at <= ends[1] for size, at in cosigned.items())
        truth, origin = row["truth"], row["provenance"] or {}
        used = rules[entry["rules"]]["callables"]
        is_alike = all(used.get(each) == rule["callables"].get(each) for each in MAKERS)
        if not is_alike:
            leave("scores", "of rounds that were asked while another scorer held")
        if origin.get("from") == "tape":
            given, own = ([of[start + k] for k in FEED if k != "subject"] for of, start in ((origin, ""), (rules[entry["rules"]], "feed_")))
            check("truth", given == own, f"{name}: its truth is from the feed {given}, and the rules have {own}")
            closed, prices = tape[tuple(origin[k] for k in FEED)]
            (a, paid), (b, got) = [(closed[i], prices[i]) for i in (bisect.bisect(closed, end) - 1 for end in ends)]
            follows = paid and got is not None and {"entry_price": paid, "resolved_price": got, "actual_return": (got - paid) / paid, "direction_up": got > paid}
            said = [seconds(origin["entry_closed_at"]), seconds(origin["resolved_closed_at"])]
            check("truth", (truth, said) == (follows, [a, b]), f"{name}: its truth {truth} does not follow from the candles, {paid} and {got}")
        else:
            is_posted = ends[0] >= ends[1] or not entry["resolvable_at"] or not is_tape or not is_alike
            check("truth", is_posted, f"{name}: its truth is from {origin.get('from')}, and the rules take it from the tape")
            leave("truth", f"of {name}, which is from {origin.get('from')} and not from two records")
        for answer in [each for each in row["answers"] if "hash" not in each]:
            model, had, said = answer["model"], answer["score"], json.loads(answer["answer"])
            check("predictions", said["model"] == model, f"{name}: the answer of {said['model']} stands under {model}")
            worth = had["value"] if had and had["success"] else None
            scored[model].append((seconds(row["resolved_at"]), worth))
            if not (score and is_alike) or said["outcome"] != "ANSWERED":
                is_right = had is None or said["outcome"] == "ANSWERED"
                if score or not is_right:  # without a scorer, no score was made again
                    check("scores", is_right, f"{name}: {model} gave no answer and has a score")
                continue
            facts = {"return": truth.get("actual_return"), "actual_return": truth.get("return"), **truth}
            try:
                again = score(SimpleNamespace(**plain(said["output"]), model_id=model), SimpleNamespace(**facts))
            except Exception as error:  # noqa: BLE001  a scorer may raise anything
                again = {"success": False, "failed_reason": error}
            value = again[rule["aggregation"]["value_field"]] if again.get("success", True) else None
            fields = had["result"] if had and had["success"] else {}
            is_same = near(worth, value) and all(near(fields[k], again[k]) for k in fields.keys() & again.keys())
            check("scores", had and is_same, f"{name}: the score of {model} is {worth} by {fields}, and its answer is worth {value} by {again}")
            for field in fields and (fields.keys() ^ again.keys()) - {"success", "failed_reason"}:
                leave("scores", f"the field {field} of results, which the scorer's file alone gives, or does not give")
    if late:
        leave("witnesses", f"{late} of {count} rounds were not cosigned before their truth: there the site's own clock tells when")
    return scored


def check_snapshots(rows, of_kind, rule, scored):
    """Snapshots add up the scores; their hashes make the periods of the log."""
    periods = {entry["period_start"]: entry for entry in of_kind["period"]}
    hashes, contents, field = defaultdict(list), defaultdict(list), rule["aggregation"]["value_field"]
    for row in rows("snapshots.jsonl"):
        start, content = row["period_start"], plain(row.get("content"))
        is_logged = start in periods and periods[start]["revision"] == plain(row["revision"])
        check("periods", is_logged, f"a snapshot is of the period from {start}, revision {row['revision']}, which is not in the log")
        hashes[start].append(row["hash"] if "hash" in row else digest(row["content"]))
        if content and not row["is_virtual"]:
            contents[content["model_id"]].append(content)
    for model in scored.keys() | contents.keys():
        for start, entry in periods.items():
            since, until = seconds(start), seconds(entry["period_end"])
            values = [value for at, value in scored[model] if since <= at < until]
            known, name = [(v, 1) for v in values if v is not None], f"the snapshot of {model} from {start}"
            own = [c for c in contents[model] if c["period_start"] == start]
            check("snapshots", own or not values, f"{model} was asked in the period from {start} and has no snapshot")
            for c in own:
                check("snapshots", c["prediction_count"] == len(known), f"{name} counts {c['prediction_count']}, and its scores are {len(known)}")
                if not rule.get("trades") and "aggregate_snapshot" not in rule["callables"]:
                    told = c["result_summary"][field]
                    check("snapshots", near(told, mean(known)), f"{name} has {field} {told}; its scores give {mean(known)}")
    leave("snapshots", "their other figures, those of ensembles, and of other crunchers in a part, are those of the log")
    for start, entry in periods.items():
        leaves = [leaf(bytes.fromhex(each)) for each in sorted(hashes[start])]
        check("periods", tree(leaves) == entry["root"], f"the snapshots of the period from {start} are not those of the log")
    for entry in of_kind["period"]:
        pair = [bytes.fromhex(entry[name] or "") for name in ("previous", "root")]
        chained = node(*pair) if pair[0] else pair[1]
        check("periods", chained.hex() == entry["chained_root"], f"the period from {entry['period_start']} is not chained to the one before")
    return contents


def check_payout(rows, told, of_kind, rule, contents):
    """The ranking orders what snapshots add up to; emission and ledger share it out."""
    raw, made = next(rows("checkpoint.json")), of_kind["checkpoint"][0]
    paid, meta = plain(raw), plain(raw["meta"])
    rewards = {each["cruncher_index"]: each["reward_pct"] for each in paid["emission"]["cruncher_rewards"]}
    chained = tree([leaf(bytes.fromhex(entry["chained_root"])) for entry in of_kind["period"]])
    check("periods", chained == made["root"] == paid["merkle_root"], "the checkpoint is not the root of its periods")
    names = ("competition", "checkpoint", "period_start", "period_end")
    is_it = [made[k] for k in names] == [told[k] for k in names] and made["checkpoint"] == paid["checkpoint"]
    check("rules", is_it, "the checkpoint in the log is another one than the bundle says")
    check("ranking", digest(raw["meta"]) == made["meta"], "the ranking is not what the log has")
    check("emission", digest(raw["emission"]) == made["emission"], "the emission is not what the log has")
    lines = {line["model_id"]: line for line in meta["ranking"] + meta["unpaid"]}
    key, sign = rule["aggregation"]["ranking_key"], 1 if meta["ranking_direction"] == "asc" else -1
    key = rule["aggregation"]["value_field"] if key in rule["aggregation"]["windows"] else key
    is_money = rule.get("trades") and key in AMOUNTS | {rule["aggregation"]["value_field"]}
    is_level = rule.get("trades") and key in LEVELS
    for model in contents.keys() - lines.keys():
        check("ranking", not contents[model], f"{model} has snapshots and is not in the checkpoint: it was dropped")
    for model, line in lines.items():
        if told["of"] is not None and not contents[model]:
            leave("ranking", f"the figure of {model}, of whom the bundle has no snapshots")
            continue
        if key in IN_PARTS or not rule["callables"]["MODEL_SCORE_AGGREGATOR"]["path"].startswith("competitions.defaults:"):
            leave("ranking", f"{key} of a period does not follow from its snapshots")
            continue
        known = [(c["result_summary"][key], 1 if is_level else c["prediction_count"]) for c in contents[model] if c["result_summary"].get(key) is not None]
        figure = float(sum(Decimal(repr(v)) for v, _ in known)) if is_money and known else mean(known)
        check("ranking", near(line["ranking_value"], figure), f"{model} has the ranking figure {line['ranking_value']}; its snapshots give {figure}")
    order = [(line["ranking_value"] * sign, line["model_id"]) for line in meta["ranking"]]
    is_right = order == sorted(order) and [line["rank"] for line in meta["ranking"]] == [*range(1, len(order) + 1)]
    if rule["callables"]["LEADERBOARD_RANKER"]["path"].startswith("competitions.defaults:"):
        check("ranking", is_right, "the order of the ranks does not follow from the figures")
    check("emission", not rewards or sum(rewards.values()) == WHOLE, f"the shares sum to {sum(rewards.values())}, not to {WHOLE}")
    n, due = len(order), Counter()
    if (meta["rule"]["strategy"], meta["rule"]["ties"]) == ("tiers", "by_id") and "build_emission" not in rule["callables"]:
        tiers = (TIERS + [0] * n)[:n]
        quotas = [(tier + Fraction(100 - sum(tiers), n)) * WHOLE / 100 for tier in tiers]
        by_remainder = sorted(range(n), key=lambda i: (int(quotas[i]) - quotas[i], i))
        left = WHOLE - sum(map(int, quotas))  # by largest remainder
        for place, line in enumerate(meta["ranking"]):
            due[line["cruncher_index"]] += int(quotas[place]) + (place in by_remainder[:left])
        check("emission", due == rewards, f"the strategy gives the shares {dict(due)}, not {rewards}")
    else:
        leave("emission", f"the strategy {meta['rule']['strategy']} is not in this file; use `coordinator verify`")
    if meta["unpaid"]:
        leave("ranking", "why some are not paid is what the checkpoint says")
    sums, owed = defaultdict(Counter), Counter()  # owed when the first was paid: all are paid at once
    lines = [*rows("ledger.jsonl")]
    for line in map(plain, lines):
        check("ledger", line["kind"] in ("DUE", "ADJUSTMENT", "PAID"), f"there is no line of the kind {line['kind']}")
        if line["kind"] == "PAID" and not sums["PAID"]:
            owed.update(sums["DUE"])
            owed.update(sums["ADJUSTMENT"])
        elif line["kind"] == "ADJUSTMENT":
            leave("ledger", "what was moved, and why, is the operators' word")
        sums[line["kind"]][line["cruncher_index"]] += line["amount"]
    check("ledger", sums["DUE"] == Counter(rewards), "what is due is not the emission")
    check("ledger", sum(sums["ADJUSTMENT"].values()) == 0, "what was moved does not sum to 0")
    is_right = sums["PAID"] == +owed and bool(sums["PAID"]) == (paid["status"] == "PAID" and bool(rewards))
    check("ledger", is_right, f"what was paid is not what was due: it is {paid['status']}")
    made = {"status": "PENDING", "tx_hash": None, "submitted_at": None, "created_at": paid["created_at"]} | made
    last = [made, *(step for step in of_kind["settlement"] if step["checkpoint"] == made["checkpoint"])][-1]
    known = (last["status"], last["tx_hash"])
    check("transaction", known == (paid["status"], paid["tx_hash"]), f"it is {paid['status']} by {paid['tx_hash']}, and the log has {known}")
    if "ledger" in last:
        check("ledger", digest(lines) == last["ledger"], "its lines are not those of the log: an amount, a reason or an instant differs")
        known, had = (made["created_at"], last["submitted_at"]), (paid["created_at"], paid["submitted_at"])
        check("transaction", had == known, f"it was made and submitted at the instants {had}, and the log has {known}")
    else:
        leave("ledger", "the log is older than its entries of what is owed")
    if paid["status"] != "PAID":
        leave("transaction", f"it is {paid['status']}: it is not settled to its end")
    leave("transaction", "a later settlement would not be in the bundle")


def verify(path, pinned=(), scorer=None):
    """Fill the report with what holds of a bundle; raises for what is none."""
    report.clear()
    with zipfile.ZipFile(path) as archive:
        most = lambda info: 2**16 + info.compress_size * (2 if info.filename == "leaves.bin" else 100)
        files = archive.infolist()
        if sum(info.file_size for info in files) > LARGEST or any(info.file_size > most(info) for info in files):
            raise ValueError("it is too large when it is unpacked")
        rows = lambda name: map(json.loads, iter(partial(archive.open(name).readline, 2**24), b""))
        told, data = plain(next(rows("manifest.json"))), archive.read("leaves.bin")
        if (told["format"], told["version"]) != ("crunchsite-bundle", 1):
            raise ValueError(f"it is {told['format']!r:.40} of version {told['version']!r:.40}, which this does not read")
        log = check_log(rows, told, [data[i : i + 32] for i in range(0, len(data), 32)], pinned)
        rule = rules_of(log[1]).get(log[1]["checkpoint"][0]["rules"]) if log[1]["checkpoint"] else None
        check("rules", rule, "the checkpoint or its rules are not in the log")
        if not rule:
            return report
        score, used = None, rule["callables"]["SCORING_FUNCTION"]
        if not scorer or "batch_scoring_function" in rule["callables"]:
            leave("scores", f"they were not made again; give --scorer with the file of the SHA-256 {used['source']}")
        else:
            with open(scorer, "rb") as file:
                is_named = sha(file.read()).hex() == used["source"]
            check("scorer", is_named, f"{scorer} is not the file of the SHA-256 {used['source']}")
            named = rule["callables"].get("scoring_function", used) if used["path"].startswith("contract:") else used
            score = is_named and runpy.run_path(scorer)[named["path"].split(":")[1]]
        scored = check_rounds(rows, told, log, rule, score)
        check_payout(rows, told, log[1], rule, check_snapshots(rows, log[1], rule, scored))
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("--scorer")
    asked = parser.parse_args()
    try:
        verify(asked.bundle, asked.key, asked.scorer)
    except Exception as error:  # noqa: BLE001  whatever is wrong with a bundle
        sys.exit(print(f"This is no bundle, or a damaged one: {error!r:.300}", file=sys.stderr) or 2)
    for step, found in report.items():
        if found.count:
            say(f"{'FAILED' if found.wrong else 'ok':9} {step}: {found.count - len(found.wrong)} of {found.count} hold")
        for text in found.wrong[:5]:
            say(f"          - {text}")
        for text in [*found.left][:3] + [f"and {len(found.left) - 3} more like these"] * (len(found.left) > 3):
            say(f"NOT DONE  {step}: {text}")
    failed = [step for step, found in report.items() if found.wrong]
    print(f"Does NOT follow: {', '.join(failed)}." if failed else "All that was done follows.")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
