"""Check that the snapshots of a bundle add up its scores and are the log's."""

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from core.rounding import means_of_columns, rounded
from core.tlog.exact import exact_digest
from core.tlog.merkle import root_of
from crunchsite.bundles import bundle_format as files
from crunchsite.bundles.bundle_format import BundleReader
from crunchsite.bundles.findings import Verdict
from crunchsite.bundles.log_checks import CheckedLog
from crunchsite.bundles.round_checks import Scored
from scoring.snapshots.period_leaves import snapshot_hashes

Row = Mapping[str, Any]
Contents = Mapping[str, list[Row]]  # of snapshots, by model


def check_snapshots(
    bundle: BundleReader,
    log: CheckedLog,
    rules: Row,
    scored: Scored,
    findings: Verdict,
) -> Contents:
    """Check that snapshots add up the scores and make the periods of the log."""
    newest = {entry["period_start"]: entry for entry in log.of_kind["period"]}
    spans = {
        start: (
            datetime.fromisoformat(start),
            datetime.fromisoformat(entry["period_end"]),
        )
        for start, entry in newest.items()
    }
    hashes: dict[str, list[str]] = defaultdict(list)
    contents: dict[str, list[Row]] = defaultdict(list)
    seen: dict[str, set[str]] = defaultdict(set)
    for row in bundle.rows(files.SNAPSHOTS):
        start, content = row["period_start"], row.get("content")
        findings.check(
            "periods",
            start in newest and newest[start]["revision"] == row["revision"],
            f"a snapshot is of the period from {start}, revision {row['revision']}, "
            "which is not in the log",
        )
        if content is None:
            hashes[start].append(row["hash"])
            why = "of other crunchers the bundle has the hashes alone"
            findings.leave("snapshots", why)
            continue
        hashes[start].append(exact_digest(content))
        model = content["model_id"]
        if row["is_virtual"]:
            findings.leave("snapshots", "those of ensembles, whom nobody pays")
            continue
        if model in seen[start] or content["period_start"] != start:
            findings.check(
                "snapshots",
                False,
                f"the snapshot of {model} from {start} is there twice, or says another "
                "period",
            )
        seen[start].add(model)
        contents[model].append(content)
        span = spans.get(start)
        values = [
            v for at, v in scored.get(model, ()) if span and span[0] <= at < span[1]
        ]
        _check_sum(
            f"the snapshot of {model} from {start}", content, values, rules, findings
        )
    for model, scores in scored.items():
        known = sum(any(s <= at < u for s, u in spans.values()) for at, _ in scores)
        findings.check(
            "snapshots",
            known == len(scores),
            f"{model} has {len(scores) - known} scores at instants of no period",
        )
        for start, (since, until) in spans.items():
            if any(since <= at < until for at, _ in scores):
                findings.check(
                    "snapshots",
                    model in seen[start],
                    f"{model} was asked in the period from {start} and has no snapshot",
                )
    findings.leave(
        "snapshots", "their metrics and other means are those that the log commits to"
    )
    for start, entry in newest.items():
        findings.check(
            "periods",
            root_of(snapshot_hashes(hashes[start])).hex() == entry["root"],
            f"the snapshots of the period from {start} are not those of the log",
        )
    return contents


def _check_sum(
    name: str, content: Row, values: list[float], rules: Row, findings: Verdict
) -> None:
    column = np.array(values, dtype=float).reshape(-1, 1)
    count = int((~np.isnan(column)).sum())
    findings.check(
        "snapshots",
        content["prediction_count"] == count,
        f"{name} counts {content['prediction_count']} scores, the rounds have {count}",
    )
    field = rules["aggregation"]["value_field"]
    if rules.get("trades") or "aggregate_snapshot" in rules["callables"]:
        findings.leave("snapshots", f"their {field} is no mean of scores here")
        return
    mean = rounded(float(means_of_columns(column)[0]))
    told = content["result_summary"].get(field)
    findings.check(
        "snapshots",
        is_near(told, mean),
        f"{name} has {field} {told}; its scores give {mean}",
    )


def is_near(told: float | None, found: float | None) -> bool:
    """Return whether two figures of 12 digits are the same, in any order of sums."""
    if told is None or found is None:
        return told is found
    return math.isclose(told, found, rel_tol=1e-11)
