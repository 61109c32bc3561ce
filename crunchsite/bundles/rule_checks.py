"""Check that a checkpoint was made by the rules that it names, and say what is told."""

from datetime import datetime, timedelta
from itertools import chain

from crunchsite.bundles.findings import Verdict
from crunchsite.bundles.log_checks import CheckedLog
from crunchsite.bundles.snapshot_checks import Row
from emissions.frac64 import WHOLE


def check_by_rules(
    paid: Row, *, manifest: Row, log: CheckedLog, rules: Row, findings: Verdict
) -> None:
    """Check what a checkpoint says of its rules, and that the rules are the rounds'."""
    meta = paid["meta"]
    for name, told, known in (
        (
            "ranking_direction",
            meta["ranking_direction"],
            rules["aggregation"]["ranking_direction"],
        ),
        ("min_paid_coverage", meta["min_paid_coverage"], rules["min_paid_coverage"]),
    ):
        findings.check(
            "ranking", told == known, f"{name} is {told}, and the rules have {known}"
        )
    _check_shares(paid, rules, findings)
    findings.leave(
        "ranking", "that the index of each model is its cruncher's is the site's word"
    )
    made = log.of_kind["checkpoint"][0]
    rounds = log.of_kind["round"]
    others = sum(entry["rules"] != made["rules"] for entry in rounds)
    if others:
        findings.leave(
            "rules",
            f"{others} of {len(rounds)} rounds were asked while other rules held than "
            "those by which they are ranked and paid",
        )
    _check_time(manifest, log, findings)


def _check_shares(paid: Row, rules: Row, findings: Verdict) -> None:
    """Check by which rule shares are made, and who gets what crunchers do not."""
    rule, emission = paid["meta"]["rule"], paid["emission"]
    if "rule" in rules:
        findings.check(
            "emission",
            rule == rules["rule"],
            f"the shares are made by {rule}, and the rules have {rules['rule']}",
        )
    else:
        why = "the log has no rule by which shares are made, but the checkpoint's"
        findings.leave("emission", why)
    is_own = ":" in rule["strategy"] or "build_emission" in rules["callables"]
    named = {"crunch": (emission["crunch"], rules["crunch_pubkey"])}
    for each in ("compute_provider", "data_provider"):
        told = emission[f"{each}_rewards"]
        known = rules[each] and [{"provider": rules[each], "reward_pct": WHOLE}]
        named[each] = told, known
    for name, (told, known) in named.items():
        if known and not is_own:
            wrong = f"{name} gets {told}, and the rules have {known}"
            findings.check("emission", told == known, wrong)
        elif told:
            findings.leave("emission", f"{name} is named by no setting in the rules")


def _check_time(manifest: Row, log: CheckedLog, findings: Verdict) -> None:
    """Check that no instant is in two periods, and say whether some are in none.

    An idle time has no period in the log either.
    """
    spans = sorted({_span(each) for each in log.of_kind["period"]})
    since, until = _span(manifest)
    edges = [since, *chain.from_iterable(spans), until]
    if edges != sorted(edges):
        wrong = "periods overlap, or are not of the checkpoint's time"
        findings.check("periods", False, wrong)
    known = sum((end - start for start, end in spans), timedelta())
    if known != until - since:
        findings.leave(
            "periods",
            f"they are {known} of the checkpoint's time; that the log has no other "
            "period of it is not seen here",
        )


def _span(said: Row) -> tuple[datetime, datetime]:
    start, end = (
        datetime.fromisoformat(said[each]) for each in ("period_start", "period_end")
    )
    return start, end
