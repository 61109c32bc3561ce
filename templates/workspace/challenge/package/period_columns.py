"""The figures of the site's snapshots, of a whole backtest at once.

Periods with as many rounds, of the same scopes, are a stack: one pass of the metrics
gives the figures of all of them.
"""

from datetime import datetime, timezone

import numpy as np

from ._engine.metrics.builtins import BUILT_IN
from ._engine.metrics.context import MetricsContext
from ._engine.metrics.parts import all_parts
from ._engine.rounding import LARGEST, means_of_columns, rounded
from ._engine.rules.truth_rule import return_between
from .round_columns import RESOLVED


def snapshots_of(columns, rules):
    """Return the figures of each period, the oldest first, as on the site."""
    resolved = np.flatnonzero(columns.status == RESOLVED)
    cycle_s, length_s = rules["score_interval_s"], rules["snapshot_period_s"]
    # A round counts in the period of the score cycle that resolves it.
    resolved_at = -(-columns.known_at[resolved] // cycle_s) * cycle_s
    starts = resolved_at // length_s * length_s
    order = np.argsort(starts, kind="stable")
    begins, firsts, counts = np.unique(
        starts[order], return_index=True, return_counts=True
    )
    stacks = {}
    for start, first, count in zip(begins.tolist(), firsts.tolist(), counts.tolist()):
        members = resolved[order[first : first + count]]
        alike = columns.place[members].tobytes()
        until = float(resolved_at[order[first : first + count]].max())
        stacks.setdefault(alike, []).append((start, until, members))
    values = _Values(columns, rules)
    found = [
        snapshot for stack in stacks.values() for snapshot in values.snapshots(stack)
    ]
    return sorted(found, key=lambda each: each["start"])


class _Values:
    """What the metrics need of each round."""

    def __init__(self, columns, rules):
        self._rules, self._place, self._scores = rules, columns.place, columns.score
        signals = columns.outputs.numbers(rules["signal_field"])
        self._signals = np.where(np.abs(signals) <= LARGEST, signals, np.nan)
        is_resolved = columns.status == RESOLVED
        self._actuals = return_between(
            np.where(is_resolved, columns.entry_price, np.nan), columns.exit_price
        )
        results = columns.results
        self._extras = {name: results.numbers(name) for name in results.names()}

    def snapshots(self, stack):
        """Return the snapshots of periods of one stack."""
        starts, untils, members = zip(*stack)
        places, length_s = np.array(members), self._rules["snapshot_period_s"]
        context = MetricsContext(
            model_ids=("backtest",) * len(starts),
            signals=self._signals[places].T,
            scores=self._scores[places].T,
            actuals=self._actuals[places],
            scopes=self._place[places[0]] + 1,
            window_start=datetime.fromtimestamp(min(starts), timezone.utc),
            window_end=datetime.fromtimestamp(max(starts) + length_s, timezone.utc),
            is_stack=True,
        )
        names = self._rules["metrics"]
        figures = {n: means_of_columns(v[places].T) for n, v in self._extras.items()}
        figures = {name: _summed(column, False) for name, column in figures.items()}
        means = means_of_columns(context.scores)
        figures[self._rules["value_field"]] = _summed(means, True)
        for name in names:
            column = BUILT_IN[name](context.signals, context.scores, context)
            figures[name] = _summed(column, True)
        parts = all_parts(names, context)
        counts = (~np.isnan(context.scores)).sum(axis=0).tolist()
        for i, start in enumerate(starts):
            summary = {n: v[i] for n, v in figures.items() if v[i] is not _LEFT_OUT}
            yield {
                "start": start,
                "end": start + length_s,
                "count": counts[i],
                "expected": places.shape[1],
                "value": summary[self._rules["value_field"]],
                "summary": summary,
                "parts": parts[i : i + 1],
                "resolved_until": untils[i],
            }


_LEFT_OUT = object()


def _summed(column, is_kept):
    """Round a figure of each period; an unknown one is None, or left out."""
    return [
        rounded(value) if value == value else None if is_kept else _LEFT_OUT
        for value in column.tolist()
    ]
