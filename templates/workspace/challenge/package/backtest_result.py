"""What a backtest found: rounds, figures, and how sure they are."""

import json
import math
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path

import numpy as np

from ._engine.metrics.parts import IN_PARTS, PLACES, WIDTH, merge_all
from ._engine.rounding import rounded
from ._engine.rules.intervals import mean_interval, overlap_of
from ._engine.rules.window_rule import summed_up, summing_of
from .period_columns import snapshots_of
from .problems import InvalidInput
from .round_columns import ANSWERED, RESOLVED
from .round_scores import digest_line

__all__ = ["BacktestResult", "digest_line"]

DIGEST = Path(__file__).parent / "_engine" / "DIGEST.json"


class BacktestResult:
    """The rounds of a backtest, and the figures that a board would show of them.

    `rounds` has a row for each: `slot_at`, `scope_key`, `status`, `outcome`, `output`,
    `truth`, `score`, and a `reason`. `digest` is the SHA-256 of all of them: the same
    input gives the same. `config` says what was played.
    """

    def __init__(self, rounds, rules, digest, since, until, prices):
        self.rounds, self._rules, self._prices = rounds, rules, prices
        self.digest, self.since, self.until = digest, since, until
        self.config = {
            "since": _iso(since.timestamp()),
            "until": _iso(until.timestamp()),
            "rules": rules,
            "engine": json.loads(DIGEST.read_text("utf-8"))["digest"],
        }

    def frame(self):
        """Return the rounds as a pandas DataFrame; needs the extra `pandas`."""
        try:
            import pandas
        except ImportError:
            raise InvalidInput(
                "pandas is not installed; install the package with [pandas]."
            ) from None
        columns = {}
        for row in self.rounds:
            row["slot_at"] = datetime.fromtimestamp(row["slot_at"], timezone.utc)
            row["value"] = (row["output"] or {}).get(self._rules["signal_field"])
            row["actual_return"] = (row["truth"] or {}).get("actual_return")
            for name, value in row.items():
                columns.setdefault(name, []).append(value)
        return pandas.DataFrame(columns)

    @property
    def predictions_df(self):
        return self.frame()

    @cached_property
    def snapshots(self):
        """Return the figures of each period, the oldest first, as on the site."""
        found = snapshots_of(self.rounds, self._rules)
        if self._rules["trading"]:
            from .accounts import account_figures, with_account

            figures = account_figures(self.rounds, self._rules, *self._prices)
            for each in found:
                with_account(each, figures.get(each["start"]), self._rules["value_field"])
        return found

    @cached_property
    def metrics(self):
        """Return the figures of a board at the end: windows, fields, metrics."""
        if not self.snapshots:
            return {}
        as_of = self.snapshots[-1]["resolved_until"]
        windows = self._rules["windows"]
        found = {
            name: self._summed(self._rules["value_field"], as_of - hours * 3600)
            for name, hours in windows.items()
        }
        begin = as_of - min(windows.values()) * 3600
        names = [name for name in self.snapshots[-1]["summary"] if name not in IN_PARTS]
        found |= {name: self._summed(name, begin) for name in names}
        merged = np.zeros((1, WIDTH))
        for each in self._inside(begin):
            merged = merge_all(merged, each["parts"])
        for name in self._rules["metrics"]:
            if name in IN_PARTS:
                figure = IN_PARTS[name].figure(merged[:, PLACES[name]])
                found[name] = rounded(float(figure[0]))
        return found

    @property
    def score(self):
        """Return the figure that ranks models; None while it is unknown."""
        return self.metrics.get(self._rules["ranking_key"])

    @cached_property
    def _interval(self):
        asked = [(each["horizon_s"], each["every_s"]) for each in self._rules["schedule"]]
        scores = self.rounds.score[self._is_due]
        return mean_interval(scores, overlap=overlap_of(asked))

    @property
    def interval(self):
        """Return the 95 % interval of the mean score, which counts overlaps."""
        return self._interval.low, self._interval.high

    @property
    def n_eff(self):
        """Return how many independent rounds the scores are worth."""
        return self._interval.n_eff

    @property
    def coverage(self):
        """Return the share of the rounds with a truth for which there is a score."""
        due = int(self._is_due.sum())
        return self.scored / due if due else None

    @property
    def scored(self):
        """Return how many rounds have a score."""
        return int((~np.isnan(self.rounds.score)).sum())

    @property
    def diversity(self):
        """Return None: how alike models are is known to the site alone."""

    @property
    def problems(self):
        """Return how often each reason of a failure came, the most frequent first."""
        rounds = self.rounds
        codes = np.where(rounds.outcome == ANSWERED, 0, rounds.reason)
        codes = np.where(rounds.failed_reason > 0, rounds.failed_reason, codes)
        found, firsts, counts = np.unique(
            codes[codes > 0], return_index=True, return_counts=True
        )
        order = np.lexsort((firsts, -counts)).tolist()
        return {rounds.texts.values[found[i]]: int(counts[i]) for i in order}

    def as_dict(self):
        """Return all figures as JSON."""
        low, high = self.interval
        return {
            **self.config,
            "rounds": len(self.rounds),
            "scored": self.scored,
            "score": self.score,
            "mean_score": _known(self._interval.mean),
            "interval": [_known(low), _known(high)],
            "n_eff": _known(self.n_eff),
            "coverage": self.coverage,
            "metrics": self.metrics,
            "problems": self.problems,
            "digest": self.digest,
        }

    def summary(self):
        """Print the figures and return them as text."""
        text = self._text()
        print(text)
        return text

    def save(self, folder):
        """Write report.json and report.html, which needs no other file; return both."""
        from .report import page

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = folder / "report.json", folder / "report.html"
        paths[0].write_text(json.dumps(self.as_dict(), indent=1) + "\n", "utf-8")
        paths[1].write_text(page(self), "utf-8")
        return paths

    def _repr_html_(self):
        from .report import body

        return body(self)

    def __repr__(self):
        return f"BacktestResult(predictions={len(self.rounds)}, score={self.score})"

    def _text(self):
        found = self.as_dict()
        low, high = found["interval"]
        lines = [
            f"from {found['since']} to {found['until']}",
            f"rounds      {found['rounds']}, scored {found['scored']}"
            f" (coverage {_shown(found['coverage'], '.1%')})",
            f"mean score  {_shown(found['mean_score'], '.6g')}"
            f"  95 % [{_shown(low, '.4g')}, {_shown(high, '.4g')}]"
            f"  n_eff {_shown(found['n_eff'], '.0f')}",
            *(f"{name:<18}{_shown(value, '.6g')}" for name, value in self.metrics.items()),
            *(f"{count} x {reason}" for reason, count in list(self.problems.items())[:5]),
            f"digest      {found['digest']}",
        ]
        return "\n".join(lines)

    @property
    def _is_due(self):
        return self.rounds.status == RESOLVED

    def _inside(self, begin):
        return [each for each in self.snapshots if each["end"] > begin]

    def _summed(self, name, begin):
        """Return what a figure's snapshots in a window sum up to, as on a board."""
        field = self._rules["value_field"]
        own = ((each["summary"].get(name), each["count"]) for each in self._inside(begin))
        trades = bool(self._rules["trading"])
        figure = summed_up(own, summing_of(name, value_field=field, trades=trades))
        return None if figure is None else rounded(figure)


def _known(value):
    return None if value is None or not math.isfinite(value) else float(value)


def _shown(value, form):
    return "unknown" if value is None else format(value, form)


def _iso(epoch_s):
    return datetime.fromtimestamp(epoch_s, timezone.utc).isoformat().replace("+00:00", "Z")
