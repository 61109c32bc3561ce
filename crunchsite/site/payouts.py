"""The public pages of payouts: periods, strategies side by side, statements."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.core.paginator import Page, Paginator
from django.db.models import IntegerField, QuerySet
from django.db.models.expressions import RawSQL
from django.http import Http404, HttpRequest, HttpResponse

from competitions.emission_rule import STRATEGY_NAMES
from competitions.models import Competition
from core.clock import iso_z
from crunchsite.site.asked import chosen, required
from crunchsite.site.charts import line_chart, series_rows
from crunchsite.site.csv_files import csv_response
from crunchsite.site.frame import page, public
from crunchsite.site.series import Series
from emissions.counterfactual import (
    Shares,
    effective_number,
    gini,
    paid_shares,
    would_have_paid,
)
from emissions.ledger import balances
from emissions.models import Checkpoint, PayoutEntry
from emissions.preview import preview

PERIODS = 30  # of which the pages tell
PAGE_ROWS = 100
COMPARED = 12  # whose strategies are compared
MOST_KEPT = 20 * COMPARED
NEWEST_LINES = 1000
PAID = "paid"


@dataclass(frozen=True)
class PaidPeriod:
    """A checkpoint, and how concentrated what it pays is."""

    checkpoint: Checkpoint
    crunchers: int
    gini: float | None
    effective: float | None


@public
def payouts(request: HttpRequest) -> HttpResponse:
    """Show what periods pay, to whom, and how concentrated that is over time."""
    competition = required(chosen(request))
    periods = [_period(checkpoint) for checkpoint in _newest(competition)]
    lines = PayoutEntry.objects.filter(checkpoint__competition=competition)
    names = _names(competition)
    open_period = preview(competition)
    ledger = [(i, names.get(i, ""), b) for i, b in balances(lines).items()]
    context: dict[str, Any] = {
        "competition": competition,
        "periods": periods,
        "ledger": _paged(request, "ledger", ledger),
        "idle": competition.idle_stretches.all()[:PERIODS],
        "preview": open_period,
    }
    if open_period:
        ranking, unpaid = open_period.payees.ranking, open_period.payees.unpaid
        shares: Sequence[int | None] = open_period.shares or [None] * len(ranking)
        places = [
            *zip(ranking, shares, strict=True),
            *((each, None) for each in unpaid),
        ]
        context["places"] = _paged(request, "page", places)
    effective = {PAID: [period.effective for period in periods]}
    return page(request, "site/payouts.html", context | _chart(periods, effective))


@public
def strategies(request: HttpRequest) -> HttpResponse:
    """Show what each strategy would have paid in the same periods, and to whom."""
    competition = required(chosen(request))
    checkpoints = _newest(competition)[:COMPARED]
    outcomes = _outcomes(checkpoints)
    kept = [
        n for n in STRATEGY_NAMES if outcomes and all(n in each for each in outcomes)
    ]
    totals = {name: _summed(each[name] for each in outcomes) for name in [PAID, *kept]}
    own = _names(competition)
    indexes = sorted(
        {index for total in totals.values() for index in total},
        key=lambda index: (-totals[PAID].get(index, 0), index),
    )
    shown = _paged(request, "page", indexes)
    everything = sum(totals[PAID].values())
    context = {
        "competition": competition,
        "names": kept,
        "left_out": [name for name in STRATEGY_NAMES if name not in kept],
        "rows": [
            (
                index,
                own.get(index, ""),
                _percent(totals[PAID].get(index, 0), everything),
                [_gain(index, totals[name], totals[PAID], everything) for name in kept],
            )
            for index in shown
        ],
        "shown": shown,
        "concentration": [
            ("Gini coefficient", _of_each(gini, totals, indexes)),
            ("Effective number of paid", _of_each(effective_number, totals, indexes)),
        ],
        "count": len(checkpoints),
    }
    over_time = {
        name: [effective_number(each[name].values()) for each in outcomes]
        for name in [PAID, *kept]
    }
    chart = _chart([_period(checkpoint) for checkpoint in checkpoints], over_time)
    return page(request, "site/strategies.html", context | chart)


@public
def statement(request: HttpRequest, cruncher_index: str) -> HttpResponse:
    """Show what is due to a cruncher, what was paid, and what remains."""
    competition, index, lines = _statement(request, cruncher_index)
    context = {
        "competition": competition,
        "index": index,
        "name": _names(competition).get(index, ""),
        "lines": lines.select_related("checkpoint")[:NEWEST_LINES],
        "balance": balances(lines)[index],
    }
    return page(request, "site/statement.html", context)


@public
def statement_csv(request: HttpRequest, cruncher_index: str) -> HttpResponse:
    """Return all lines of a cruncher's statement, the newest first."""
    competition, index, lines = _statement(request, cruncher_index)
    return csv_response(
        f"{competition.slug}-statement-{index}",
        ["at", "checkpoint", "period_start", "period_end", "kind", "amount", "reason"],
        (
            [
                iso_z(line.created_at),
                str(line.checkpoint),
                iso_z(line.checkpoint.period_start),
                iso_z(line.checkpoint.period_end),
                line.kind,
                line.amount,
                line.reason,
            ]
            for line in lines.select_related("checkpoint")
        ),
    )


def _statement(
    request: HttpRequest, cruncher_index: str
) -> tuple[Competition, int, QuerySet[PayoutEntry]]:
    competition, index = required(chosen(request)), int(cruncher_index)
    lines = PayoutEntry.objects.filter(
        checkpoint__competition=competition, cruncher_index=index
    )
    if not lines.exists():
        raise Http404(f"Cruncher {index} has no statement.")
    return competition, index, lines


def _paged(request: HttpRequest, name: str, rows: Sequence[Any]) -> "Page[Any]":
    """Return the page of a long list whose number the parameter `name` has."""
    return Paginator(rows, PAGE_ROWS).get_page(request.GET.get(name))


# How many crunchers stand in a checkpoint's ranking.
_RANKED = RawSQL(
    """(SELECT count(DISTINCT place -> 'cruncher_index')
    FROM jsonb_array_elements(checkpoints.meta_jsonb -> 'ranking') AS place)""",
    [],
    output_field=IntegerField(),
)


def _newest(competition: Competition) -> list[Checkpoint]:
    """Return checkpoints without their rankings, which are large."""
    found = Checkpoint.objects.filter(competition=competition).defer("meta")
    return list(found.annotate(ranked=_RANKED)[:PERIODS])


# A checkpoint's ranking is never changed, so that what strategies make of it is kept.
# The instant tells it from one of another database with the same number.
_kept: dict[tuple[int, datetime], dict[str, Shares]] = {}


def _outcomes(checkpoints: Sequence[Checkpoint]) -> list[dict[str, Shares]]:
    """Return what was paid and what each strategy would have paid, for each."""
    if len(_kept) > MOST_KEPT:
        _kept.clear()
    known = _kept.copy()  # other requests may clear it meanwhile
    new = [each.pk for each in checkpoints if (each.pk, each.created_at) not in known]
    for made in Checkpoint.objects.filter(pk__in=new) if new else ():
        key = made.pk, made.created_at
        known[key] = _kept[key] = would_have_paid(made)
    return [
        {PAID: paid_shares(each), **known[each.pk, each.created_at]}
        for each in checkpoints
    ]


def _period(checkpoint: Checkpoint) -> PaidPeriod:
    shares = [*paid_shares(checkpoint).values()]
    # An operator's builder may name those alone who get something.
    shares += [0] * (checkpoint.ranked - len(shares))  # type: ignore[attr-defined]
    return PaidPeriod(
        checkpoint=checkpoint,
        crunchers=sum(share > 0 for share in shares),
        gini=gini(shares),
        effective=effective_number(shares),
    )


def _names(competition: Competition) -> dict[int, str]:
    return dict(competition.crunchers.values_list("cruncher_index", "name"))


def _summed(each: Iterable[Shares]) -> Shares:
    total: Shares = {}
    for shares in each:
        for index, share in shares.items():
            total[index] = total.get(index, 0) + share
    return total


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _gain(index: int, total: Shares, paid: Shares, whole: int) -> float | None:
    """Return the percentage points that a cruncher gains over what was paid."""
    return _percent(total.get(index, 0) - paid.get(index, 0), whole)


def _of_each(
    measure: Callable[[Collection[int]], float | None],
    totals: dict[str, Shares],
    indexes: Sequence[int],
) -> list[float | None]:
    """Measure each strategy's totals, over the same crunchers."""
    return [
        measure([total.get(index, 0) for index in indexes]) for total in totals.values()
    ]


def _chart(
    periods: Sequence[PaidPeriod], values: dict[str, list[float | None]]
) -> dict[str, Any]:
    """Return the lines of a chart over the ends of periods, the oldest first."""
    at = np.array([p.checkpoint.period_end.timestamp() for p in reversed(periods)])
    series = {
        name: Series(
            at=at, value=np.array([np.nan if v is None else v for v in own[::-1]])
        )
        for name, own in values.items()
    }
    return {
        "chart": line_chart([(name, "", own) for name, own in series.items()], tones=6),
        "chart_names": list(series),
        "chart_rows": series_rows(list(series.values()), most=PERIODS),
    }
