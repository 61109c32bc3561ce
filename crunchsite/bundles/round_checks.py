"""Check the rounds of a bundle: answers, their order, truths, and scores."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from competitions.shared.truth_rule import find_end, move_between
from core.tlog.exact import parse_exact
from core.tlog.merkle import root_of
from crunchsite.bundles import bundle_format as files
from crunchsite.bundles.bundle_format import BundleReader
from crunchsite.bundles.findings import Verdict
from crunchsite.bundles.log_checks import CheckedLog
from crunchsite.bundles.scorers import NamedScorer
from proofs.commitments import opened_hash

ROUNDS_AT_ONCE = 200
# What makes a truth and a score; the rest of the rules may change within a period.
_MAKERS = (
    *("GROUND_TRUTH_RESOLVER", "resolve_ground_truth"),
    *("SCORING_FUNCTION", "scoring_function", "batch_scoring_function"),
)
_OF_TAPE = "competitions.defaults:ground_truth_resolver"
_FEED = ("source", "subject", "kind", "granularity")

# By the model and the instant at which a truth was stored: scores, NaN for none.
Scored = dict[str, list[tuple[datetime, float]]]


@dataclass
class _FeedRecords:
    """Records of a feed by the instants (epoch seconds) at which they closed."""

    step_s: float
    closed: list[float] = field(default_factory=list)
    prices: list[float] = field(default_factory=list)

    def ends(self, instants: Sequence[datetime]) -> tuple[list[float], list[float]]:
        """Return when the last records by the instants closed, and their prices."""
        at = np.array([each.timestamp() for each in instants])
        end = find_end(
            np.array(self.closed), np.array(self.prices), at, self.step_s, np.inf
        )
        return end.closed_at.tolist(), end.price.tolist()


def read_tape(
    bundle: BundleReader, manifest: Mapping[str, Any], findings: Verdict
) -> dict[tuple[str, ...], _FeedRecords]:
    """Return the records of each feed, in columns; check that instants ascend."""
    feeds = [_FeedRecords(each["step_s"]) for each in manifest["feeds"]]
    for row in bundle.rows(files.TAPE):
        feed = feeds[row["feed"]]
        feed.closed.append(_seconds(row["closed_at"]))
        price = row.get("price")
        feed.prices.append(np.nan if price is None else price)
    names = [tuple(each[name] for name in _FEED) for each in manifest["feeds"]]
    for name, feed in zip(names, feeds, strict=True):
        if feed.closed != sorted({*feed.closed}):
            wrong = f"the tape of {name} is out of order, or has an instant twice"
            findings.check("truth", False, wrong)
    return dict(zip(names, feeds, strict=True))


class RoundChecks:
    """Check rounds one after the other, and their scores some hundreds at once."""

    def __init__(
        self,
        *,
        log: CheckedLog,
        rules: Mapping[str, Any],
        tape: Mapping[tuple[str, ...], _FeedRecords],
        findings: Verdict,
        scorer: NamedScorer,
    ) -> None:
        self._log, self._tape, self._findings = log, tape, findings
        self._scorer = scorer
        self._rules = rules
        self.scored: Scored = defaultdict(list)
        self.seen: set[int] = set()

    def check(self, bundle: BundleReader, *, is_whole: bool) -> None:
        """Check all rounds; `seen` is filled with them, `scored` with their scores.

        Each answer of a whole bundle is opened; a part may have the hashes of others.
        """
        self._findings.leave(
            "truth",
            "that records are those of their source, and when truths were stored, is "
            "the site's word",
        )
        late = count = 0
        waiting: list[Mapping[str, Any]] = []
        for row in bundle.rows(files.ROUNDS):
            count += 1
            place = row["index"] if row["index"] is not None else -1
            entry = self._log.entries.get(place)
            name = f"round {row['round']}"
            is_logged = (
                entry is not None
                and entry["kind"] == "round"
                and entry["round"] == row["round"]
            )
            said = f"{name} has no entry in the log"
            if not self._findings.check("predictions", is_logged, said) or not entry:
                continue
            if is_whole:
                self._findings.check(
                    "predictions",
                    not any("hash" in answer for answer in row["answers"]),
                    f"{name} has answers that are not shown, and the bundle is no part",
                )
            self._findings.check(
                "predictions",
                row["round"] not in self.seen
                and row["scope_key"] == entry["scope_key"],
                f"{name} is there twice, or of another scope than the log's",
            )
            self.seen.add(row["round"])
            self._check_answers(name, row, entry)
            if self._check_order(name, row):
                late += 1
            else:
                self._findings.check("witnesses", True, "")
            self._check_truth(name, row, entry)
            self._collect(row)
            if not self._is_made_alike(entry):
                self._findings.leave(
                    "scores", "of rounds that were asked while another scorer held"
                )
                continue
            waiting.append(row)
            if len(waiting) == ROUNDS_AT_ONCE:
                self._scorer.check(waiting, self._findings)
                waiting.clear()
        self._scorer.check(waiting, self._findings)
        if late:
            self._findings.leave(
                "witnesses",
                f"{late} of {count} rounds were not cosigned before their truth: there "
                "the site's own clock is all that tells when",
            )

    def _check_answers(
        self, name: str, row: Mapping[str, Any], entry: Mapping[str, Any]
    ) -> None:
        hashes = []
        models = [each["model"] for each in row["answers"] if "hash" not in each]
        self._findings.check(
            "predictions",
            len(set(models)) == len(models),
            f"{name}: a model has two answers",
        )
        for answer in row["answers"]:
            if "hash" in answer:
                hashes.append(bytes.fromhex(answer["hash"]))
                continue
            nonce = bytes.fromhex(answer["nonce"])
            hashes.append(opened_hash(nonce, answer["answer"]))
            model = json.loads(answer["answer"])["model"]
            self._findings.check(
                "predictions",
                model == answer["model"],
                f"{name}: the answer of {model} stands under {answer['model']}",
            )
        self._findings.check(
            "predictions",
            len(hashes) == entry["answers"],
            f"{name}: {len(hashes)} answers are here, {entry['answers']} in the log: a "
            "model is missing or was added",
        )
        self._findings.check(
            "predictions",
            root_of(hashes).hex() == entry["root"],
            f"{name}: its answers are not those of the log",
        )
        due = entry["resolvable_at"] or row["resolvable_at"]
        self._findings.check(
            "predictions",
            (row["asked_at"], row["resolvable_at"]) == (entry["asked_at"], due),
            f"{name}: its instants are not those of the log",
        )

    def _check_order(self, name: str, row: Mapping[str, Any]) -> bool:
        """Check that a signed head is older than the truth; True if no witness is."""
        asked, due = _instants(row)
        if due > asked:
            first = self._log.signed_first(row["index"])
            self._findings.check(
                "order",
                first is not None and first <= due,
                f"{name}: no head that covers it was signed before its truth could be "
                "known",
            )
        else:
            why = "rounds without a horizon have nothing to be older than"
            self._findings.leave("order", why)
        return not self._log.is_cosigned_by(row["index"], due)

    def _check_truth(
        self, name: str, row: Mapping[str, Any], entry: Mapping[str, Any]
    ) -> None:
        origin = row["provenance"] or {}
        if origin.get("from") != "tape":
            asked, due = _instants(row)
            self._findings.check(
                "truth",
                due <= asked
                or not entry["resolvable_at"]
                or not _is_of_tape(self._rules)
                or not self._is_made_alike(entry),
                f"{name}: its truth is from {origin.get('from')}, and the rules take "
                "it from the tape",
            )
            self._findings.leave(
                "truth",
                f"of rounds whose truth is from {origin.get('from')}, not from two "
                "records of the tape",
            )
            return
        feed = self._tape.get(tuple(origin[each] for each in _FEED))
        if feed is None:
            self._findings.check("truth", False, f"{name}: the bundle lacks its feed")
            return
        rules = self._log.rules(entry["rules"])
        own = [rules.get(f"feed_{each}") for each in ("source", "kind", "granularity")]
        given = [origin[each] for each in ("source", "kind", "granularity")]
        self._findings.check(
            "truth",
            given == own,
            f"{name}: its truth is from the feed {given}, and the rules have {own}",
        )
        if subject := entry.get("subject"):
            self._findings.check(
                "truth",
                origin["subject"] == subject,
                f"{name}: its truth is of {origin['subject']}, and its models were "
                f"asked about {subject}",
            )
        else:
            self._findings.leave(
                "truth", "that rounds whose entry names no subject are of theirs"
            )
        closed, prices = feed.ends(_instants(row))
        truth, reason = move_between(*prices)
        ends = ("entry_closed_at", "resolved_closed_at")
        said = [_seconds(origin[each]) for each in ends]
        self._findings.check(
            "truth",
            truth == row["truth"] and closed == said,
            f"{name}: its truth {row['truth']} does not follow from the candles of the "
            f"tape, which give {truth or reason}",
        )

    def _is_made_alike(self, entry: Mapping[str, Any]) -> bool:
        """Return whether a round's rules make truths and scores as the last ones do."""
        asked_by = self._log.rules(entry["rules"]).get("callables", {})
        last = self._rules["callables"]
        return all(asked_by.get(each) == last.get(each) for each in _MAKERS)

    def _collect(self, row: Mapping[str, Any]) -> None:
        at = datetime.fromisoformat(row["resolved_at"])
        for answer in row["answers"]:
            if "hash" not in answer:
                score = answer["score"]
                is_known = score is not None and score["success"]
                value = float(score["value"]) if is_known else np.nan
                self.scored[answer["model"]].append((at, value))


def outcome_of(answer: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the outcome of an opened answer, and its output."""
    said = json.loads(answer["answer"])
    return said["outcome"], parse_exact(json.dumps(said["output"]))


def _is_of_tape(rules: Mapping[str, Any]) -> bool:
    used = rules["callables"]
    path = used["GROUND_TRUTH_RESOLVER"]["path"]
    return "resolve_ground_truth" not in used and path == _OF_TAPE


def _seconds(text: str) -> float:
    """Return an instant in epoch seconds; raises ValueError without a time zone."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"the instant {text} has no time zone")
    return instant.timestamp()


def _instants(row: Mapping[str, Any]) -> tuple[datetime, datetime]:
    asked, due = map(datetime.fromisoformat, (row["asked_at"], row["resolvable_at"]))
    return asked, due
