"""Open a bundle's rows, change them, and write them as a bundle again."""

import zipfile
from io import BytesIO

from core.tlog.exact import exact_digest, exact_json, parse_exact
from core.tlog.log_checkpoint import TreeHead, parse_tree_head
from core.tlog.merkle import leaf_hash
from core.tlog.note import Note, Signer, encode_base64, parse_note
from emissions.frac64 import WHOLE
from tests.crunchsite.bundles.reforging import (
    facts_of,
    recounted,
    relogged,
    repaid,
)

OTHER = Signer("example.org/log", bytes(range(1, 33)))


class OpenBundle:
    """The rows of each file, as data; `leaves` are bytes."""

    def __init__(self, data):
        with zipfile.ZipFile(BytesIO(data)) as archive:
            self.files = {name: archive.read(name) for name in archive.namelist()}
        self.rows = {
            name: [parse_exact(line) for line in text.decode().splitlines()]
            for name, text in self.files.items()
            if name.endswith((".json", ".jsonl"))
        }

    def __getitem__(self, name):
        (found,) = [rows for file, rows in self.rows.items() if file.startswith(name)]
        return found

    def packed(self):
        out = BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in self.files.items():
                rows = self.rows.get(name)
                text = rows and "".join(f"{exact_json(row)}\n" for row in rows)
                archive.writestr(name, data if rows is None else text)
        return out.getvalue()


def _score(bundle, signer):
    bundle["rounds"][3]["answers"][0]["score"]["value"] += 0.5


def _failed(bundle, signer):
    score = bundle["rounds"][3]["answers"][0]["score"]
    score["success"] = False


def _prediction(bundle, signer):
    answer = bundle["rounds"][3]["answers"][0]
    answer["answer"] = answer["answer"].replace("#0.5", "#0.6")


def _order(bundle, signer):
    first, second = bundle["entries"][2:4]
    first["entry"], second["entry"] = second["entry"], first["entry"]


def _late(bundle, signer):
    for head in bundle["heads"]:
        head["signed_at"] = "2026-03-02T12:30:00Z"


def _dropped_answer(bundle, signer):
    del bundle["rounds"][3]["answers"][1]


def _dropped_snapshot(bundle, signer):
    del bundle["snapshots"][1]


def _dropped_model(bundle, signer):
    del bundle["checkpoint"][0]["meta"]["ranking"][1]


def _listed_twice(bundle, signer):
    ranking = bundle["checkpoint"][0]["meta"]["ranking"]
    ranking.insert(1, dict(ranking[0]))


def _dropped_round(bundle, signer):
    del bundle["rounds"][3]


def _truth(bundle, signer):
    bundle["rounds"][3]["truth"]["actual_return"] += 0.001


def _posted(bundle, signer):
    bundle["rounds"][3]["provenance"] = {"from": "posted"}


def _candle(bundle, signer):
    [used, *_] = [row for row in bundle["tape"] if "price" in row]
    used["price"] += 1


def _later_candle(bundle, signer):
    [place, *_] = [i for i, row in enumerate(bundle["tape"]) if "price" in row]
    del bundle["tape"][place]


def _rank(bundle, signer):
    first, second, *_ = bundle["checkpoint"][0]["meta"]["ranking"]
    first["rank"], second["rank"] = 2, 1


def _figure(bundle, signer):
    bundle["checkpoint"][0]["meta"]["ranking"][1]["ranking_value"] *= 1.001


def _share(bundle, signer):
    rewards = bundle["checkpoint"][0]["emission"]["cruncher_rewards"]
    rewards[0]["reward_pct"] += 1
    rewards[1]["reward_pct"] -= 1


def _transaction(bundle, signer):
    bundle["checkpoint"][0]["tx_hash"] = "0xdead"


def _ledger(bundle, signer):
    bundle["ledger"][0]["amount"] += 1


def _key(bundle, signer):
    bundle["manifest"][0]["keys"] = [str(OTHER.key)]


def _stolen(bundle, signer):
    """Replace the key, and sign everything with the new one."""
    _key(bundle, signer)
    for head in bundle["heads"]:
        text = parse_note(head["note"]).text
        head["note"] = str(Note(text, (OTHER.sign(text),)))


def _head(bundle, signer):
    note = parse_note(bundle["heads"][2]["note"])
    head = parse_tree_head(note.text)
    changed = note.text.replace(encode_base64(head.root), encode_base64(bytes(32)))
    bundle["heads"][2]["note"] = str(Note(changed, note.signatures))


def _no_heads(bundle, signer):
    del bundle["heads"][-1]


def _other(bundle, signer):
    bundle["manifest"][0]["period_start"] = "2026-03-02T08:00:00Z"


def _fork(bundle, signer):
    head = parse_tree_head(parse_note(bundle["heads"][2]["note"]).text)
    text = TreeHead(head.origin, head.size, bytes(32)).text()
    signed = str(Note(text, (signer.sign(text),)))
    bundle["heads"].append({**bundle["heads"][2], "note": signed})


def _paid_twice(bundle, signer):
    bundle["ledger"].append(bundle["ledger"][-1])


def _not_paid(bundle, signer):
    del bundle["ledger"][-1]


def _odd_line(bundle, signer):
    bundle["ledger"].append({**bundle["ledger"][-1], "kind": "BONUS"})


def _hidden_answer(bundle, signer):
    """Show of a failed answer, which has no score, the hash alone."""
    answer = bundle["rounds"][2]["answers"][3]
    data = bytes.fromhex(answer["nonce"]) + answer["answer"].encode()
    answer.clear()
    answer["hash"] = leaf_hash(data).hex()


def _repeated_entry(bundle, signer):
    bundle["entries"].append(bundle["entries"][3])


def _other_feed(bundle, signer):
    bundle["manifest"][0]["feeds"][0]["source"] = "evil"
    for row in bundle["rounds"]:
        row["provenance"]["source"] = "evil"


def _other_subject(bundle, signer):
    """The candles of another subject decide, and all but the log's entry says so."""
    bundle["manifest"][0]["feeds"][0]["subject"] = "ETH"
    for row in bundle["rounds"]:
        row["provenance"]["subject"] = "ETH"


def _other_scope(bundle, signer):
    bundle["rounds"][3]["scope_key"] = "eth-60"


def _repeated_round(bundle, signer):
    bundle["rounds"].append(bundle["rounds"][3])


def _extra_snapshot(bundle, signer):
    extra = {**bundle["snapshots"][0], "period_start": "2026-03-02T09:00:00Z"}
    bundle["snapshots"].append({**extra, "is_virtual": True})


def changed_result(bundle):
    bundle["rounds"][3]["answers"][0]["score"]["result"]["actual_return"] += 0.001


def _paid_at(bundle, signer):
    bundle["ledger"][-1]["created_at"] = "2026-03-02T12:30:00Z"


def _made_at(bundle, signer):
    bundle["checkpoint"][0]["created_at"] = "2026-03-02T12:30:00Z"


def _submitted_at(bundle, signer):
    bundle["checkpoint"][0]["submitted_at"] = "2026-03-02T12:30:00Z"


def changed_reason(bundle):
    """Change why something was moved, in both of its lines."""
    for line in bundle["ledger"]:
        if line["kind"] == "ADJUSTMENT":
            line["reason"] = "another one"


def _relogged_as_is(bundle, signer, change=lambda facts: None):
    facts = facts_of(bundle)
    change(facts)
    relogged(bundle, facts, signer)


def _other_direction(bundle, signer):
    """The worst are paid as the best."""
    bundle["checkpoint"][0]["meta"]["ranking_direction"] = "asc"
    repaid(bundle)
    _relogged_as_is(bundle, signer)


def _other_strategy(bundle, signer):
    """The best one gets all, by a rule that was made with the checkpoint."""
    paid = bundle["checkpoint"][0]
    paid["meta"]["rule"].update(strategy="equal", best=1)
    rewards = paid["emission"]["cruncher_rewards"]
    amounts = {each["cruncher_index"]: 0 for each in rewards}
    amounts[rewards[0]["cruncher_index"]] = WHOLE
    for each in rewards:
        each["reward_pct"] = amounts[each["cruncher_index"]]
    lines = bundle["ledger"]
    lines[:] = [x for x in lines if amounts[x["cruncher_index"]]]
    for line in lines:
        line["amount"] = WHOLE
    _relogged_as_is(bundle, signer)


def _other_provider(bundle, signer):
    """Another key gets the emission."""
    bundle["checkpoint"][0]["emission"]["crunch"] = "FRIEND"
    _relogged_as_is(bundle, signer)


def _other_coverage(bundle, signer):
    bundle["checkpoint"][0]["meta"]["min_paid_coverage"] = 0.01
    _relogged_as_is(bundle, signer)


def _other_competition(bundle, signer):
    """A round counts that another competition asked."""
    _relogged_as_is(bundle, signer, lambda facts: facts[5].update(competition="eth"))


def _moved_out(bundle, signer):
    """A round counts in no period, and its entry stays."""
    bundle["rounds"][4]["resolved_at"] = "2026-03-02T13:00:00Z"
    recounted(bundle)
    _relogged_as_is(bundle, signer)


def _left_out(bundle, signer):
    """A round counts for nobody, as if it had not been asked."""
    del bundle["rounds"][4]
    recounted(bundle)
    _relogged_as_is(bundle, signer)


def _two_answers(bundle, signer):
    """A model gets the better of its answers twice."""
    answers = bundle["rounds"][4]["answers"]
    answers.insert(1, dict(answers[0]))
    recounted(bundle)
    _relogged_as_is(bundle, signer)


def _few_rounds(bundle, signer):
    """A model is paid for less of the rounds than the rules want."""
    bundle["checkpoint"][0]["meta"]["rounds_asked"] = 100
    _relogged_as_is(bundle, signer)


def _counted_twice(bundle, signer):
    """An hour of a model counts twice."""
    bundle["snapshots"].append(dict(bundle["snapshots"][0]))
    recounted(bundle)
    _relogged_as_is(bundle, signer)


def _overlapping(bundle, signer):
    """The second hour begins within the first, and half an hour counts twice."""
    start = "2026-03-02T10:30:00Z"
    facts = facts_of(bundle)
    [_, second] = [fact for fact in facts.values() if fact["kind"] == "period"]
    for row in bundle["snapshots"]:
        if row["period_start"] == second["period_start"]:
            row["period_start"] = row["content"]["period_start"] = start
    second["period_start"] = start
    recounted(bundle)
    relogged(bundle, facts, signer)


def _called_virtual(bundle, signer):
    """The first hour of a model is called an ensemble's, and does not count."""
    first, *others = bundle["snapshots"]
    first["is_virtual"] = True
    model = first["content"]["model_id"]
    [other] = [x["content"] for x in others if x["content"]["model_id"] == model]
    for line in bundle["checkpoint"][0]["meta"]["ranking"]:
        if line["model_id"] == model:
            line["ranking_value"] = other["result_summary"]["value"]
    repaid(bundle)
    _relogged_as_is(bundle, signer)


def _beside_its_hash(bundle, signer):
    """The log's hash stands beside a content that has another one."""
    row = bundle["snapshots"][0]
    row["hash"] = exact_digest(row["content"])
    row["content"] = row["content"] | {"expected_count": 99}


def _logged_twice(bundle, signer):
    """The log has a round twice, and another one not."""
    first, second = bundle["rounds"][3:5]
    bundle["rounds"].remove(first)
    recounted(bundle)
    facts = facts_of(bundle)
    facts[first["index"]] = dict(facts[second["index"]])
    relogged(bundle, facts, signer)


def _unordered_tape(bundle, signer):
    bundle["tape"].append(bundle["tape"].pop(1))


def _instant_twice(bundle, signer):
    bundle["tape"].insert(2, bundle["tape"][1])


# What is changed, the step that finds it, and words of what it says.
TAMPERINGS = [
    (_score, "scores", "the score of a is"),
    (_failed, "scores", "the score of a is"),
    (_prediction, "predictions", "its answers are not those of the log"),
    (_order, "entries", "entry 2 is not what the log has at this place"),
    (_late, "order", "signed before its truth could be known"),
    (_dropped_answer, "predictions", "3 answers are here, 4 in the log"),
    (_dropped_snapshot, "snapshots", "b was asked in the period from"),
    (_dropped_model, "ranking", "it was dropped"),
    (_listed_twice, "ranking", "a model is there twice"),
    (_dropped_round, "snapshots", "its scores"),
    (_truth, "truth", "does not follow from the candles"),
    (_posted, "truth", "the rules take it from the tape"),
    (_candle, "truth", "does not follow from the candles"),
    (_later_candle, "truth", "does not follow from the candles"),
    (_rank, "ranking", "rank"),
    (_figure, "ranking", "its snapshots give"),
    (_share, "emission", "gives the shares"),
    (_transaction, "transaction", "0xdead"),
    (_ledger, "ledger", "what is due is not the emission"),
    (_key, "heads", "head of"),
    (_stolen, "keys", "the log does not name"),
    (_head, "heads", "head of"),
    (_no_heads, "heads", "no signed head covers all 19 entries"),
    (_other, "rules", "another one than the bundle says"),
    (_fork, "fork", "of another history"),
    (_paid_twice, "ledger", "paid"),
    (_not_paid, "ledger", "paid"),
    (_odd_line, "ledger", "there is no line of the kind BONUS"),
    (_hidden_answer, "predictions", "has answers that are not shown"),
    (_repeated_entry, "entries", "does not come in its order"),
    (_other_subject, "truth", "is of ETH, and its models were asked about BTCUSDT"),
    (_other_feed, "truth", "is from the feed ['evil', 'candle', '1m']"),
    (_other_scope, "predictions", "of another scope than the log's"),
    (_repeated_round, "predictions", "is there twice"),
    (_extra_snapshot, "periods", "which is not in the log"),
    (_paid_at, "ledger", "an amount, a reason or an instant differs"),
    (_made_at, "transaction", "was made and submitted at the instants"),
    (_submitted_at, "transaction", "was made and submitted at the instants"),
    (_other_direction, "ranking", "ranking_direction is asc, and the rules have desc"),
    (_other_strategy, "emission", "and the rules have {"),
    (_other_provider, "emission", "crunch gets"),
    (_other_coverage, "ranking", "min_paid_coverage is 0.01, and the rules have 0.5"),
    (_other_competition, "entries", "entry 5 is of the competition eth"),
    (_moved_out, "snapshots", "1 scores at instants of no period"),
    (_left_out, "predictions", "entries are of the rounds"),
    (_two_answers, "predictions", "a model has two answers"),
    (_few_rounds, "ranking", "is paid for too few rounds"),
    (_counted_twice, "snapshots", "is there twice, or says another period"),
    (_overlapping, "periods", "periods overlap, or are not of the checkpoint's time"),
    (_called_virtual, "snapshots", "was asked in the period from"),
    (_beside_its_hash, "periods", "are not those of the log"),
    (_logged_twice, "predictions", "entries are of the rounds"),
    (_unordered_tape, "truth", "is out of order, or has an instant twice"),
    (_instant_twice, "truth", "is out of order, or has an instant twice"),
]
NAMES = [change.__name__.strip("_") for change, *_ in TAMPERINGS]
