"""Check ranking, emission, ledger and transaction of a bundle."""

from collections import Counter, defaultdict
from itertools import pairwise

from competitions.emission_rule import EmissionRule
from competitions.shared.window_rule import summed_up, summing_of
from core.rounding import rounded
from core.tlog.exact import exact_digest
from core.tlog.merkle import leaf_hash, node_hash, root_of
from crunchsite.bundles import bundle_format as files
from crunchsite.bundles.bundle_format import BundleReader
from crunchsite.bundles.findings import Verdict
from crunchsite.bundles.log_checks import CheckedLog
from crunchsite.bundles.rule_checks import check_by_rules
from crunchsite.bundles.snapshot_checks import Contents, Row, is_near
from emissions.coverage import is_covered
from emissions.frac64 import WHOLE
from emissions.shares import shares_of
from emissions.strategies import checked, rewarded
from scoring.board.ranking import ranked_by
from scoring.metrics.parts import IN_PARTS

_RANKER = "competitions.defaults:leaderboard_ranker"
_AGGREGATOR = "competitions.defaults:model_score_aggregator"


def check_checkpoint(
    bundle: BundleReader,
    *,
    manifest: Row,
    log: CheckedLog,
    rules: Row,
    contents: Contents,
    findings: Verdict,
) -> None:
    """Check a checkpoint: periods, ranking, emission, ledger and transaction."""
    made, paid = log.of_kind["checkpoint"][0], bundle.one(files.CHECKPOINT)
    cycles = log.of_kind["period"]
    for entry in cycles:
        root, previous = bytes.fromhex(entry["root"]), entry["previous"]
        chained = node_hash(bytes.fromhex(previous), root) if previous else root
        findings.check(
            "periods",
            chained.hex() == entry["chained_root"],
            f"the period from {entry['period_start']} is not chained to the one before",
        )
    root = root_of([leaf_hash(bytes.fromhex(each["chained_root"])) for each in cycles])
    findings.check(
        "periods",
        root.hex() == made["root"] == paid["merkle_root"],
        "the checkpoint is not the root of its periods",
    )
    names = ("competition", "checkpoint", "period_start", "period_end")
    findings.check(
        "rules",
        all(made[each] == manifest[each] for each in names)
        and made["checkpoint"] == paid["checkpoint"],
        "the checkpoint in the log is another one than the bundle says",
    )
    for name, step, what in (
        ("emission", "emission", "the emission (shares)"),
        ("meta", "ranking", "the ranking"),
    ):
        findings.check(
            step,
            exact_digest(paid[name]) == made[name],
            f"{what} is not what the log has",
        )
    check_by_rules(paid, manifest=manifest, log=log, rules=rules, findings=findings)
    _check_ranking(paid["meta"], manifest, rules, contents, findings)
    _check_emission(paid, rules, findings)
    lines = list(bundle.rows(files.LEDGER))
    _check_ledger(lines, paid, findings)
    _check_transaction(log, paid, lines, findings)


def _check_ranking(
    meta: Row, manifest: Row, rules: Row, contents: Contents, findings: Verdict
) -> None:
    every = [*meta["ranking"], *meta["unpaid"]]
    lines = {each["model_id"]: each for each in every}
    findings.check("ranking", len(lines) == len(every), "a model is there twice")
    for model in contents.keys() - lines.keys():
        findings.check(
            "ranking",
            False,
            f"{model} has snapshots and is not in the checkpoint: it was dropped",
        )
    key = rules["aggregation"]["ranking_key"]
    field = rules["aggregation"]["value_field"]
    key = field if key in rules["aggregation"]["windows"] else key
    is_summed = key not in IN_PARTS
    is_summed &= rules["callables"]["MODEL_SCORE_AGGREGATOR"]["path"] == _AGGREGATOR
    if not is_summed:
        findings.leave(
            "ranking", f"{key} of a period does not follow from its snapshots"
        )
    for model, line in lines.items():
        own = contents.get(model, [])
        if manifest["of"] is not None and not own:
            why = "of other crunchers the bundle has no snapshots"
            findings.leave("ranking", why)
            continue
        scores = sum(each["prediction_count"] for each in own)
        findings.check(
            "ranking",
            own or "rank" not in line,
            f"{model} has no snapshot in the period, and is paid",
        )
        findings.check(
            "ranking",
            line["prediction_count"] == scores,
            f"{model} counts {line['prediction_count']} scores, its snapshots {scores}",
        )
        figure = _figure(own, key, rules)
        told = line["ranking_value"]
        if is_summed:
            findings.check(
                "ranking",
                is_near(told, figure),
                f"{model} has the ranking figure {told}; its snapshots give {figure}",
            )
    if rules["callables"]["LEADERBOARD_RANKER"]["path"] != _RANKER:
        findings.leave("ranking", "the order is that of the operator's own ranker")
        return
    is_ascending = meta["ranking_direction"] == "asc"
    ranking = meta["ranking"]
    order = sorted(
        ranking,
        key=lambda e: ranked_by(e["ranking_value"], e["model_id"], is_ascending),
    )
    for place, (line, right) in enumerate(zip(ranking, order, strict=True), start=1):
        findings.check(
            "ranking",
            line is right and line["rank"] == place,
            f"{line['model_id']} has the rank {line['rank']}; place {place} is "
            f"{right['model_id']}'s by its figure",
        )
    for line in ranking:
        findings.check(
            "ranking",
            is_covered(
                line["prediction_count"],
                asked=meta["rounds_asked"],
                least=meta["min_paid_coverage"],
            ),
            f"{line['model_id']} is paid for too few rounds",
        )
    for one, other in pairwise(order):
        values = one["ranking_value"], other["ranking_value"]
        if values[0] != values[1] and is_near(*values):
            findings.leave(
                "ranking", "places of figures that differ in their last digits alone"
            )
    findings.leave(
        "ranking",
        "that no round was left out, and how many were due without a truth, is told",
    )
    if meta["unpaid"]:
        findings.leave("ranking", "why some are not paid is what the checkpoint says")


def _figure(contents: list[Row], key: str, rules: Row) -> float | None:
    summing = summing_of(
        key,
        value_field=rules["aggregation"]["value_field"],
        trades=bool(rules.get("trades")),
    )
    figure = summed_up(
        (
            (each["result_summary"].get(key), each["prediction_count"])
            for each in contents
        ),
        summing,
    )
    return None if figure is None else rounded(figure)


def _check_emission(paid: Row, rules: Row, findings: Verdict) -> None:
    meta, emission = paid["meta"], paid["emission"]
    rewards = emission["cruncher_rewards"]
    total = sum(each["reward_pct"] for each in rewards)
    findings.check(
        "emission",
        not rewards or total == WHOLE,
        f"the shares sum to {total}, not to {WHOLE}",
    )
    if ":" in meta["rule"]["strategy"] or "build_emission" in rules["callables"]:
        findings.leave("emission", "the shares are those of the operator's own builder")
        return
    ranking = meta["ranking"]
    shares = shares_of(
        EmissionRule.model_validate(meta["rule"]),
        ranking,
        is_ascending=meta["ranking_direction"] == "asc",
    )
    built = checked(
        rewarded(ranking, shares, crunch_pubkey=emission["crunch"]),
        payable=[each["cruncher_index"] for each in ranking],
    )
    again = [each.model_dump() for each in built.cruncher_rewards]
    findings.check(
        "emission",
        again == rewards,
        f"{meta['rule']['strategy']} gives the shares {again}, not {rewards}",
    )


def _check_ledger(lines: list[Row], paid: Row, findings: Verdict) -> None:
    sums: dict[str, Counter[int]] = defaultdict(Counter)
    owed: Counter[int] = Counter()  # when the first was paid: all are paid at once
    for line in lines:
        index, kind = line["cruncher_index"], line["kind"]
        is_known = kind in {"DUE", "ADJUSTMENT", "PAID"}
        findings.check("ledger", is_known, f"there is no line of the kind {kind}")
        if kind == "PAID" and not sums["PAID"]:
            owed.update(sums["DUE"])
            owed.update(sums["ADJUSTMENT"])
        elif kind == "ADJUSTMENT" and sums["PAID"]:
            findings.leave("ledger", "something was moved after all was paid")
        sums[kind][index] += line["amount"]
    for index in owed.keys() | sums["PAID"].keys():
        findings.check(
            "ledger",
            sums["PAID"][index] == max(owed[index], 0),
            f"cruncher {index} was paid {sums['PAID'][index]} of {owed[index]}",
        )
    rewards = {
        each["cruncher_index"]: each["reward_pct"]
        for each in paid["emission"]["cruncher_rewards"]
        if each["reward_pct"]
    }
    findings.check("ledger", sums["DUE"] == rewards, "what is due is not the emission")
    findings.check(
        "ledger",
        sums["ADJUSTMENT"].total() == 0,
        "what was moved between crunchers does not sum to 0",
    )
    is_paid = paid["status"] == "PAID" and bool(rewards)
    findings.check(
        "ledger",
        bool(sums["PAID"]) == is_paid,
        f"the checkpoint is {paid['status']}, and the ledger says otherwise",
    )
    if sums["ADJUSTMENT"]:
        findings.leave("ledger", "what was moved, and why, is the operators' word")


def _check_transaction(
    log: CheckedLog, paid: Row, lines: list[Row], findings: Verdict
) -> None:
    steps = [
        each
        for each in log.of_kind["settlement"]
        if each["checkpoint"] == paid["checkpoint"]
    ]
    told = (paid["status"], paid["tx_hash"])
    if told[0] != "PAID":
        findings.leave("transaction", f"it is {told[0]}: it is not settled to its end")
    _check_bound(log.of_kind["checkpoint"][0], steps, paid, lines, findings)
    if not steps and paid["status"] != "PENDING":
        findings.leave("transaction", "it was made before the log had entries of it")
        return
    known = (steps[-1]["status"], steps[-1]["tx_hash"]) if steps else ("PENDING", None)
    findings.check(
        "transaction",
        told == known,
        f"the status {told[0]} and the transaction {told[1]} are not what the log has: "
        f"{known[0]}, {known[1]}",
    )
    findings.leave("transaction", "a later settlement would not be in the bundle")


def _check_bound(
    made: Row, steps: list[Row], paid: Row, lines: list[Row], findings: Verdict
) -> None:
    """Check lines and instants against what the log has of them since they count."""
    last = steps[-1] if steps else made
    if "ledger" not in last:
        findings.leave("ledger", "the log is older than its entries of what is owed")
        return
    findings.check(
        "ledger",
        exact_digest(lines) == last["ledger"],
        "its lines are not those of the log: an amount, a reason or an instant differs",
    )
    given = (paid["created_at"], paid["submitted_at"])
    known = (made.get("created_at", given[0]), last.get("submitted_at"))
    findings.check(
        "transaction",
        given == known,
        f"it was made and submitted at the instants {given}, and the log has {known}",
    )
