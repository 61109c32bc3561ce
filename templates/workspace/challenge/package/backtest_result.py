"""What a backtest found: rounds, figures, and how sure they are."""

import hashlib
import json
import math
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path

import numpy as np

from ._engine.metrics.builtins import BUILT_IN
from ._engine.metrics.context import MetricsContext
from ._engine.metrics.parts import IN_PARTS, PLACES, WIDTH, all_parts, merge_all
from ._engine.rounding import means_of_columns, rounded
from ._engine.rules.intervals import mean_interval
from .problems import InvalidInput

DIGEST = Path(__file__).parent / "_engine" / "DIGEST.json"


class BacktestResult:
    """The rounds of a backtest, and the figures that a board would show of them.

    `rounds` has a row for each: `slot_at`, `scope_key`, `status`, `outcome`, `output`,
    `truth`, `score`, and a `reason`. `config` says what was played.
    """

    def __init__(self, rounds, rules, series, since, until):
        self.rounds, self._rules, self._series = rounds, rules, series
        self.since, self.until = since, until
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
        rows = [
            {
                **{name: value for name, value in row.items() if name != "place"},
                "slot_at": datetime.fromtimestamp(row["slot_at"], timezone.utc),
                "value": (row["output"] or {}).get(self._rules["signal_field"]),
                "actual_return": (row["truth"] or {}).get("actual_return"),
            }
            for row in self.rounds
        ]
        return pandas.DataFrame(rows)

    @property
    def predictions_df(self):
        return self.frame()

    @cached_property
    def snapshots(self):
        """Return the figures of each period, the oldest first, as on the site."""
        found = [self._snapshot(*each) for each in self._by_period()]
        if self._rules["trading"]:
            from .accounts import account_figures

            figures = account_figures(self.rounds, self._rules, self._series)
            for each in found:
                self._with_account(each, figures.get(each["start"]))
        return found

    @cached_property
    def metrics(self):
        """Return the figures of a board at the end: windows, fields, metrics."""
        if not self.snapshots:
            return {}
        as_of = self.snapshots[-1]["resolved_until"]
        windows = self._rules["windows"]
        found = {
            name: self._mean("value", as_of - hours * 3600)
            for name, hours in windows.items()
        }
        begin = as_of - min(windows.values()) * 3600
        names = [name for name in self.snapshots[-1]["summary"] if name not in IN_PARTS]
        found |= {name: self._mean(name, begin) for name in names}
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
        scores = [np.nan if row["score"] is None else row["score"] for row in self._due]
        overlap = max(
            math.ceil(question["horizon_s"] / question["every_s"]) - 1
            for question in self._rules["schedule"]
        )
        return mean_interval(np.array(scores, dtype=float), overlap=overlap)

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
        due = self._due
        scored = sum(row["score"] is not None for row in due)
        return scored / len(due) if due else None

    @property
    def diversity(self):
        """Return None: how alike models are is known to the site alone."""

    @cached_property
    def digest(self):
        """Return the SHA-256 of all rounds: the same input gives the same digest."""
        lines = [digest_line(row) for row in self.rounds]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def problems(self):
        """Return how often each reason of a failure came, the most frequent first."""
        counts = {}
        for row in self.rounds:
            reason = row["failed_reason"] or (row["reason"] if not row["output"] else "")
            if reason:
                counts[reason] = counts.get(reason, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def as_dict(self):
        """Return all figures as JSON."""
        low, high = self.interval
        return {
            **self.config,
            "rounds": len(self.rounds),
            "scored": sum(row["score"] is not None for row in self.rounds),
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

    @cached_property
    def _due(self):
        return [row for row in self.rounds if row["status"] == "RESOLVED"]

    def _by_period(self):
        """Group resolved rounds by the period of the score cycle that resolves them."""
        cycle_s, length_s = self._rules["score_interval_s"], self._rules["snapshot_period_s"]
        periods = {}
        for row in self._due:
            resolved_at = -(-row["known_at"] // cycle_s) * cycle_s
            start = resolved_at // length_s * length_s
            periods.setdefault(start, []).append((resolved_at, row))
        for start in sorted(periods):
            yield start, periods[start]

    def _snapshot(self, start, resolved):
        rows = sorted((row for _, row in resolved), key=lambda r: r["performed_at"])
        field = self._rules["signal_field"]
        end = start + self._rules["snapshot_period_s"]
        context = MetricsContext(
            model_ids=("backtest",),
            signals=_column([_number((row["output"] or {}).get(field)) for row in rows]),
            scores=_column([_number(row["score"]) for row in rows]),
            actuals=np.array([_number(row["truth"]["actual_return"]) for row in rows]),
            scopes=np.array([row["place"] + 1 for row in rows]),
            window_start=datetime.fromtimestamp(start, timezone.utc),
            window_end=datetime.fromtimestamp(end, timezone.utc),
        )
        results = [row["result"] for row in rows if row["result"] is not None]
        extras = {
            name: float(np.mean([each[name] for each in results if _is_number(each.get(name))]))
            for name in sorted({name for each in results for name in each})
            if any(_is_number(each.get(name)) for each in results)
        }
        names = self._rules["metrics"]
        columns = {
            name: float(BUILT_IN[name](context.signals, context.scores, context)[0])
            for name in names
        }
        summary = {
            **{name: rounded(value) for name, value in extras.items()},
            self._rules["value_field"]: rounded(float(means_of_columns(context.scores)[0])),
            **{name: rounded(value) for name, value in columns.items()},
        }
        return {
            "start": start,
            "end": end,
            "count": int((~np.isnan(context.scores)).sum()),
            "expected": len(rows),
            "value": summary[self._rules["value_field"]],
            "summary": summary,
            "parts": all_parts(names, context),
            "resolved_until": max(at for at, _ in resolved),
        }

    def _with_account(self, snapshot, figures):
        """Put an account's figures into a snapshot; its value is the net profit."""
        places = PLACES["max_drawdown"]
        snapshot["parts"][:, places] = figures.drawdown if figures else 0.0
        deepest = IN_PARTS["max_drawdown"].figure(snapshot["parts"][:, places])
        summary = snapshot["summary"]
        if figures:
            summary.update((n, rounded(value)) for n, value in figures.summary.items())
        summary["max_drawdown"] = rounded(float(deepest[0]))
        snapshot["value"] = summary.get("net_pnl")
        summary[self._rules["value_field"]] = snapshot["value"]

    def _inside(self, begin):
        return [each for each in self.snapshots if each["end"] > begin]

    def _mean(self, name, begin):
        """Return a figure's mean over the snapshots of a window, by their scores."""
        total = weight = 0.0
        for each in self._inside(begin):
            value = each["value"] if name == "value" else each["summary"].get(name)
            if value is not None:
                total += value * each["count"]
                weight += each["count"]
        return rounded(total / weight) if weight else None


def digest_line(row):
    """Return what the digest holds of a round, as one line of JSON."""
    return _as_line(
        {
            "slot_at": int(row["slot_at"]),
            "scope_key": row["scope_key"],
            "status": row["status"],
            "outcome": row["outcome"],
            "output": row["output"],
            "truth": row["truth"],
            "score": row["score"],
        }
    )


_as_line = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def _column(values):
    return np.array(values, dtype=float).reshape(-1, 1)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value):
    is_known = _is_number(value) and abs(value) <= 1e100
    return float(value) if is_known else np.nan


def _known(value):
    return None if value is None or not math.isfinite(value) else float(value)


def _shown(value, form):
    return "unknown" if value is None else format(value, form)


def _iso(epoch_s):
    return datetime.fromtimestamp(epoch_s, timezone.utc).isoformat().replace("+00:00", "Z")
