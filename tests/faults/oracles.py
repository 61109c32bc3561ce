"""What must be true of the data whatever was done to the site: row by row.

Nothing here asks the site's own code: truths come from the recorded file, answers from
the models' formula over what they were shown, scores from both.
"""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.faults import market
from tests.faults.site import Site

SLOT = timedelta(minutes=1)
WHOLE = 1_000_000_000


@dataclass
class Facts:
    """What a run has left, by what it depends on."""

    truths: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)
    answers: dict[tuple[str, int], float] = field(default_factory=dict)
    outcomes: Counter = field(default_factory=Counter)
    scores: int = 0
    checkpoints: int = 0


def check(site: Site) -> Facts:
    """Assert all of it; the site must be up and settled."""
    facts = Facts()
    _check_grid(site, facts)
    _check_tape(site)
    _check_truths(site, facts)
    _check_answers(site, facts)
    _check_scores(site, facts)
    _check_snapshots(site)
    _check_checkpoints(site, facts)
    return facts


def compare(disturbed: Facts, undisturbed: Facts) -> int:
    """Assert that both say the same of the same instants; returns of how many."""
    common = 0
    for name in ("truths", "answers"):
        mine, others = getattr(disturbed, name), getattr(undisturbed, name)
        keys = mine.keys() & others.keys()
        assert {k: mine[k] for k in keys} == {k: others[k] for k in keys}
        common += len(keys)
    return common


def _check_grid(site: Site, facts: Facts) -> None:
    """Each slot has one round, and every round ends or has not come to its end."""
    slots = site.rows("SELECT slot_at, status, reason FROM inputs ORDER BY slot_at")
    assert {later[0] - earlier[0] for earlier, later in pairwise(slots)} == {SLOT}
    for _, status, reason in slots:
        facts.outcomes[status] += 1
        if status in ("MISSED", "UNRESOLVABLE", "VOID"):
            assert reason
    assert not facts.outcomes.keys() & {"UNRESOLVABLE", "VOID"}


def _check_tape(site: Site) -> None:
    """Every candle on the tape is the file's, and between two of them is none."""
    rows = site.rows(
        "SELECT extract(epoch FROM ts_event)::bigint, "
        "(values_jsonb ->> 'close')::float8 FROM tape.feed_records "
        "WHERE is_closed ORDER BY 1"
    )
    assert {at: site.market[at] for at, _ in rows} == dict(rows)
    assert {later - earlier for (earlier, _), (later, _) in pairwise(rows)} == {60}


def _check_truths(site: Site, facts: Facts) -> None:
    for start, end, actuals in site.rows(
        "SELECT performed_at, resolvable_at, actuals_jsonb FROM inputs "
        "WHERE status = 'RESOLVED'"
    ):
        entry, resolved = market.return_between(site.market, start, end)
        assert (actuals["entry_price"], actuals["resolved_price"]) == (entry, resolved)
        assert math.isclose(
            actuals["actual_return"], resolved / entry - 1, abs_tol=1e-12
        )
        key = (int(start.timestamp()) // 60, int(end.timestamp()) // 60)
        facts.truths[key] = (entry, resolved)


def _check_answers(site: Site, facts: Facts) -> None:
    seen = Counter()
    for round_id, shown, model, outcome, output in site.rows(
        "SELECT i.id, i.raw_data_jsonb, "
        "m.model_id, p.outcome, p.inference_output_jsonb "
        "FROM predictions p JOIN inputs i ON i.id = p.input_id "
        "JOIN models m ON m.id = p.model_id WHERE NOT m.is_virtual"
    ):
        seen[round_id, model] += 1
        candles = shown["candles_1m"]
        assert all(site.market[c["ts"]] == c["close"] for c in candles)
        if outcome != "ANSWERED":
            continue
        expected = market.answer_of(model, [c["close"] for c in candles])
        assert math.isclose(output["value"], expected, rel_tol=1e-9, abs_tol=1e-9)
        facts.answers[model, shown["asof_ts"]] = output["value"]
    assert set(seen.values()) == {1}


def _check_scores(site: Site, facts: Facts) -> None:
    for output, actuals, value, versions in site.rows(
        "SELECT p.inference_output_jsonb, i.actuals_jsonb, max(s.value), count(*) "
        "FROM scores s JOIN predictions p ON p.id = s.prediction_id "
        "JOIN inputs i ON i.id = p.input_id WHERE s.success GROUP BY 1, 2, p.id"
    ):
        assert versions == 1
        expected = output["value"] * actuals["actual_return"] * 10_000
        assert math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9)
        facts.scores += 1
    unscored = site.rows(
        "SELECT p.id FROM predictions p JOIN inputs i ON i.id = p.input_id "
        "WHERE i.status = 'RESOLVED' AND p.outcome = 'ANSWERED' AND NOT EXISTS "
        "(SELECT 1 FROM scores s WHERE s.prediction_id = p.id)"
    )
    assert unscored == []


def _check_snapshots(site: Site) -> None:
    """A closed period's count and mean are those of the scores of its rounds."""
    scored = defaultdict(list)
    for model, resolved_at, value in site.rows(
        "SELECT p.model_id, i.resolved_at, s.value FROM scores s "
        "JOIN predictions p ON p.id = s.prediction_id "
        "JOIN inputs i ON i.id = p.input_id WHERE s.success"
    ):
        scored[model].append((resolved_at, value))
    for model, start, end, count, value in site.rows(
        "SELECT model_id, period_start, period_end, prediction_count, value "
        "FROM snapshots WHERE is_closed AND superseded_at IS NULL"
    ):
        values = [v for at, v in scored[model] if start <= at < end]
        assert len(values) == count
        if values:
            assert value == pytest.approx(sum(values) / len(values), rel=1e-9, abs=1e-9)


def _check_checkpoints(site: Site, facts: Facts) -> None:
    periods = site.rows(
        "SELECT period_start, period_end, entries_jsonb FROM checkpoints ORDER BY 1"
    )
    assert all(earlier[1] == later[0] for earlier, later in pairwise(periods))
    for _, _, entries in periods:
        (emission,) = entries
        paid = [part["reward_pct"] for part in emission["cruncher_rewards"]]
        # Nobody is paid for a period of which nobody has answered enough.
        assert sum(paid) == WHOLE or not paid
        facts.checkpoints += 1
